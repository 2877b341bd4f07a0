"""A document beside its view, or beside two: what each policy leaves of every value, and by which rule.

What stands in the view is read from the view's own bytes, so nothing is shown as leaving but what leaves; explain.py
only says why. A value that explain takes for kept and the view does not hold is shown as withheld.

Unlike an explanation this holds the document's values. It is for the one who holds the document; never log or store it.
"""

import hashlib
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from lxml import etree

from gateway.document import read, segment, split_name
from gateway.domain.limits import CEILING_DOCUMENT_BYTES, DocumentLimits
from gateway.domain.message import View
from gateway.errors import PolicyError
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.language.rules import Demand
from gateway.policy.telling.explain import Explained, explain
from gateway.policy.views.apply import apply_policy
from gateway.policy.views.compiled import CompiledPolicy, demands
from gateway.policy.views.demands import check_required
from gateway.schema import CompiledSet, ValidDocument

__all__ = ["Diff", "DiffPlace", "Mark", "Outcome", "Side", "diff", "example_pseudonyms", "explain_outcome"]

_INDEX: Final = re.compile(r"\[\d+\]")
_VIEW_LIMITS: Final = DocumentLimits(size_bytes=CEILING_DOCUMENT_BYTES)


class Mark(StrEnum):
    """What became of a value."""

    KEPT = "kept"
    CHANGED = "changed"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one policy makes of one value. `value`: as it stands in the view; None when it does not leave."""

    mark: Mark
    value: str | None = field(repr=False)
    rule: str
    reason: str
    legal: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffPlace:
    """One leaf or attribute of the document, with a side for each policy. `path` has indexes."""

    path: str
    value: str = field(repr=False)
    sides: tuple[Side, ...]

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing, so that it counts neither as kept nor as withheld."""
        return not self.value and not any(side.value for side in self.sides)

    @property
    def differs(self) -> bool:
        """Whether the sides differ in what leaves."""
        return len({side.value for side in self.sides}) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one policy makes of the whole document: a view, or a refusal with its code. `held`: why a human must
    release it before it is sent."""

    policy: CompiledPolicy = field(repr=False)
    view: View | None = field(repr=False)
    code: str = ""
    detail: str = ""
    held: tuple[Demand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """A document under one or several policies: an outcome for each, and every value in document order."""

    outcomes: tuple[Outcome, ...]
    places: tuple[DiffPlace, ...] = field(repr=False)

    def count(self, mark: Mark, side: int = 0) -> int:
        """Return how many values with content one side marks so."""
        return sum(1 for place in self.places if not place.is_empty and place.sides[side].mark is mark)


def example_pseudonyms(year: int) -> Pseudonyms:
    """Return pseudonyms under a key that everybody knows, one for each year: where no node and no secret is at hand.

    They look like those of a node and behave like them, and hide nothing.
    """
    return Pseudonyms(key=hashlib.sha256(f"a key that everybody knows {year}".encode()).digest())


_EXAMPLE: Final = example_pseudonyms(2026)


def diff(
    document: ValidDocument,
    policies: Sequence[CompiledPolicy],
    compiled: CompiledSet,
    pseudonyms: Pseudonyms = _EXAMPLE,
) -> Diff:
    """Return what each of `policies`, all written for the set the document is valid under, leaves of the document."""
    outcomes = tuple(_outcome(document, policy, compiled, pseudonyms) for policy in policies)
    columns = [list(_sides(document, outcome, pseudonyms)) for outcome in outcomes]
    values = _values(document.root)
    places = [
        DiffPlace(path=path, value=value, sides=sides)
        for (path, value), sides in zip(values, zip(*columns, strict=True), strict=True)
    ]
    return Diff(outcomes=outcomes, places=tuple(places))


def explain_outcome(
    document: ValidDocument, policy: CompiledPolicy, compiled: CompiledSet, pseudonyms: Pseudonyms = _EXAMPLE
) -> tuple[Outcome, list[Explained]]:
    """Return what becomes of the whole document under a policy, and every value of it explained.

    Of a message that is refused nothing leaves, whatever the rules for its values say; so its counts are those of a
    diff, here as always. Holds no values.
    """
    outcome = _outcome(document, policy, compiled, pseudonyms)
    found = explain(document, policy, pseudonyms)
    if outcome.view is None:
        refused = _refused(outcome)
        found = [replace(one, kept=False, changed=False, note=refused) if one.kept else one for one in found]
    return outcome, found


def _refused(outcome: Outcome) -> str:
    return f"the message is refused: {outcome.code}"


def _outcome(document: ValidDocument, policy: CompiledPolicy, compiled: CompiledSet, pseudonyms: Pseudonyms) -> Outcome:
    try:
        demanded = demands(document, policy)
        check_required(demanded, policy.policy)
        view = apply_policy(document, policy, compiled, pseudonyms=pseudonyms)
        return Outcome(policy=policy, view=view, held=demanded.held)
    except PolicyError as error:
        return Outcome(policy=policy, view=None, code=error.code, detail=error.detail)


def _values(root: etree._Element) -> Iterator[tuple[str, str]]:
    """Yield every leaf and attribute with its value, in the order and under the paths of explain."""
    return _below(root, f"/{split_name(str(root.tag))[1]}")


def _below(element: etree._Element, path: str) -> Iterator[tuple[str, str]]:
    for name, value in element.items():
        yield f"{path}/@{split_name(name)[1]}", value
    if len(element) == 0:
        yield path, element.text or ""
        return
    totals: dict[object, int] = {}
    for child in element:
        totals[child.tag] = totals.get(child.tag, 0) + 1
    seen: dict[object, int] = {}
    for child in element:
        seen[child.tag] = seen.get(child.tag, 0) + 1
        index = f"[{seen[child.tag]}]" if totals[child.tag] > 1 else ""
        yield from _below(child, f"{path}/{segment(str(child.tag), str(element.tag))}{index}")


def _sides(document: ValidDocument, outcome: Outcome, pseudonyms: Pseudonyms) -> Iterator[Side]:
    """Yield the side of every value. The view has what it keeps in the document's order, but for attributes."""
    leaving = _leaving(outcome.view)
    for (path, value), why in zip(_values(document.root), explain(document, outcome.policy, pseudonyms), strict=True):
        waiting = leaving.get(_INDEX.sub("", path)) if why.kept else None
        yield _side(value, waiting.popleft() if waiting else None, why, outcome)


def _leaving(view: View | None) -> dict[str, deque[str]]:
    """Return the values of a view by their paths without indexes, each queue in document order."""
    found: dict[str, deque[str]] = {}
    if view is not None:
        for path, value in _values(read(view.xml, _VIEW_LIMITS).root):
            found.setdefault(_INDEX.sub("", path), deque()).append(value)
    return found


def _side(before: str, after: str | None, why: Explained, outcome: Outcome) -> Side:
    note = why.note
    if after is None:
        mark = Mark.WITHHELD
        if outcome.view is None and why.kept:
            note = _refused(outcome)
    else:
        mark = Mark.KEPT if after == before else Mark.CHANGED
    return Side(mark=mark, value=after, rule=why.rule, reason=why.reason, legal=why.legal, note=note)
