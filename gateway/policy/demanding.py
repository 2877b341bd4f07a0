"""What a policy demands of a whole message: that it may be sent at all, and whether a person looks at it first.

`require` and `hold` ask the document as it came in, before anything is taken out, and look in all of it: `commodity` is
any commodity. They may ask what never leaves. A message that lacks what one `require` asks is not sent; every `hold`
that speaks is told to the officer who releases it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gateway.errors import PolicyError, Violation
from gateway.policy.conditions import Condition
from gateway.policy.rules import Demand, Policy
from gateway.policy.selectors import Anchor, Selector
from gateway.schema import CompiledSet, SchemaTree, ValidDocument

__all__ = ["HELD_BY_POLICY", "Demanded", "check_required", "demands", "held_by"]

HELD_BY_POLICY: Final = "policy.hold"
"""The code of a reason to hold that a policy gives, beside those of profile rules."""

_Way = tuple[str, str]
"""From the root of a message to elements, in names as lxml writes them, and an attribute or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demanded:
    """What becomes of one message. `refused`: the first demand that it does not meet, or None. `held`: those that ask
    for a person."""

    refused: Demand | None = None
    held: tuple[Demand, ...] = ()


_NOTHING: Final = Demanded()


def demands(document: ValidDocument, policy: Policy, compiled: CompiledSet) -> Demanded:
    """Return what `policy` demands of a document; `compiled`: the schema set of both."""
    if not policy.require and not policy.hold:
        return _NOTHING
    tree = compiled.tree
    refused = next((one for one in policy.require if not _speaks(one, document, tree)), None)
    return Demanded(refused=refused, held=tuple(one for one in policy.hold if _speaks(one, document, tree)))


def check_required(demanded: Demanded, policy: Policy) -> None:
    """Raise PolicyError `policy.not_permitted` if the message lacks what the policy requires of every message."""
    lacking = demanded.refused
    if lacking is not None:
        legal = f" ({lacking.legal})" if lacking.legal else ""
        raise PolicyError("policy.not_permitted", f"{lacking.reason}{legal}: {_place(lacking, policy)}")


def held_by(demanded: Demanded, policy: Policy) -> tuple[Violation, ...]:
    """Return the reasons to hold as an officer is told them, beside those of profile rules; no value of a document."""
    return tuple(
        Violation(
            code=HELD_BY_POLICY,
            rule=f"{policy.id}:{one.line}",
            path="/",
            message=one.reason,
            expected=one.legal,
            fix=f"{_place(one, policy)}: {', '.join(asked.text for asked in one.conditions)}",
        )
        for one in demanded.held
    )


def _place(demand: Demand, policy: Policy) -> str:
    """Where a demand stands, without folders: submitters are told too."""
    name = (demand.file or policy.file).rpartition("/")[2]
    return f"policy {policy.id} version {policy.version}, {name}:{demand.line}"


def _speaks(demand: Demand, document: ValidDocument, tree: SchemaTree) -> bool:
    return all(condition.holds(_answers(condition, document, tree)) for condition in demand.conditions)


def _answers(condition: Condition, document: ValidDocument, tree: SchemaTree) -> Iterator[str]:
    selector = condition.criterion.selector
    if selector is None:
        yield document.document.kind.value
        return
    for steps, attribute in _ways(selector, tree, str(document.root.tag)):
        for found in document.root.iterfind(steps):
            text = found.get(attribute) if attribute else found.text
            if text:
                yield text


@lru_cache(maxsize=512)
def _ways(selector: Selector, tree: SchemaTree, tag: str) -> tuple[_Way, ...]:
    """Return the ways from a root with this name to what the selector selects."""
    root = next((one for one in tree.roots if one.qualified == tag), None)
    if root is None:
        return ()
    home = tree.home(root)
    return tuple(_way(home, anchor, tree) for anchor in _below(home, selector.matches(tree)))


def _below(home: str, anchors: Iterable[Anchor]) -> Iterator[Anchor]:
    return (anchor for anchor in anchors if f"{anchor.path}/".startswith(f"{home}/"))


def _way(home: str, anchor: Anchor, tree: SchemaTree) -> _Way:
    steps: list[str] = []
    path = anchor.path
    while path != home:
        steps.append(tree.nodes[path].qualified)
        path = path.rpartition("/")[0]
    return "/".join(reversed(steps)) or ".", anchor.attribute
