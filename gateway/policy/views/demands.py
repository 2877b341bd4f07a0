"""What a policy demands of a whole message: that it is sent at all (`require`), or only after a human saw it (`hold`).

Asked of the document as it is, all that it holds, not of the view: what decides need not leave.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import PolicyError, Violation
from gateway.policy.language.rules import Demand, Policy
from gateway.policy.ruling.deciding import Question
from gateway.policy.ruling.ways import way
from gateway.schema import SchemaNode, SchemaTree, ValidDocument

__all__ = ["HELD_BY_POLICY", "Asking", "Demanded", "Demands", "check_required", "demands_of", "held_by"]

HELD_BY_POLICY: Final = "policy.hold"
"""The code of a reason to hold that a policy gives, beside those of profile rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demanded:
    """What was found. `refused`: the first demand that is not met; `held`: those for which a human must release it."""

    refused: Demand | None = None
    held: tuple[Demand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One demand with its questions to a root; all must hold."""

    demand: Demand
    questions: tuple[Question, ...]

    def holds(self, document: ValidDocument) -> bool:
        """Ask a document."""
        return all(question.holds(document.root, document.document.kind) for question in self.questions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """The demands of a policy, as they are asked of messages with one root."""

    require: tuple[Asking, ...] = field(default=(), repr=False)
    hold: tuple[Asking, ...] = field(default=(), repr=False)

    def asked_of(self, document: ValidDocument) -> Demanded:
        """Return what the demands come to for a document."""
        return Demanded(
            refused=next((one.demand for one in self.require if not one.holds(document)), None),
            held=tuple(one.demand for one in self.hold if one.holds(document)),
        )


def demands_of(policy: Policy, tree: SchemaTree, nodes: Mapping[object, SchemaNode]) -> Mapping[object, Demands]:
    """Return the demands for each root, by its qualified name. `nodes`: the homes of the roots."""
    return {
        tag: Demands(
            require=tuple(_asking(demand, tree, node) for demand in policy.require),
            hold=tuple(_asking(demand, tree, node) for demand in policy.hold),
        )
        for tag, node in nodes.items()
    }


def _asking(demand: Demand, tree: SchemaTree, root: SchemaNode) -> Asking:
    questions = []
    for condition in demand.conditions:
        selector = condition.criterion.selector
        anchors = () if selector is None else selector.matches(tree)
        ways = ((way(tree, root.path, anchor.path), anchor.attribute) for anchor in anchors)
        questions.append(
            Question(condition=condition, ways=tuple((one, name) for one, name in ways if one is not None))
        )
    return Asking(demand=demand, questions=tuple(questions))


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
            message=f"{one.reason} ({one.legal})" if one.legal else one.reason,
            expected=one.legal,
            fix=f"{_place(one, policy)}: {', '.join(asked.text for asked in one.conditions)}",
        )
        for one in demanded.held
    )


def _place(demand: Demand, policy: Policy) -> str:
    """Where a demand stands, without folders: submitters are told too."""
    name = (demand.file or policy.file).rpartition("/")[2]
    return f"policy {policy.id} version {policy.version}, {name}:{demand.line}"
