"""What a policy says, as values: rules with their action, change and conditions; demands on a message; the policy."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from gateway.domain.ids import SchemaSetId
from gateway.policy.language.changes import Change
from gateway.policy.language.conditions import Condition
from gateway.policy.language.selectors import Selector
from gateway.schema import AttributeFacts

__all__ = [
    "MENDING",
    "REFUSE",
    "Action",
    "Attributes",
    "Consistency",
    "Demand",
    "Policy",
    "Rule",
]

Attributes = tuple[str, ...] | Literal["required"]
REFUSE: Final = "refuse"
MENDING: Final = {"sequence": "renumber", "counts": "recount", "totals": "recompute", "pointers": "follow"}
"""What `consistency` may say besides `refuse`."""


class Action(StrEnum):
    """What a rule does with what it speaks for."""

    KEEP = "keep"
    DROP = "drop"
    GENERALISE = "generalise"
    PSEUDONYMISE = "pseudonymise"
    TRUNCATE = "truncate"
    REPLACE = "replace"

    @property
    def is_changing(self) -> bool:
        """Whether the value leaves as another. Such a rule stands on leaves and attributes only."""
        return self not in (Action.KEEP, Action.DROP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule about one selector. `attributes` names those that leave, or says `required`; `change` only with an
    action that changes; `conditions` must all hold; `file` and `line` say where it stands. `shared`: it is written for
    several policies, so it may stand nowhere in the set of this one."""

    action: Action
    selector: Selector
    attributes: Attributes = ()
    change: Change | None = None
    conditions: tuple[Condition, ...] = ()
    reason: str = ""
    legal: str = ""
    shared: bool = False
    file: str = ""
    line: int = 0

    @property
    def path(self) -> str:
        """Its selector as written."""
        return self.selector.text

    @property
    def is_keeping(self) -> bool:
        """Whether what it speaks for leaves, as it is or changed."""
        return self.action is not Action.DROP

    def names(self, facts: AttributeFacts) -> bool:
        """Tell whether it lets an attribute leave with the element it speaks for. None that has a namespace can."""
        if not self.is_keeping or facts.name.startswith("{"):
            return False
        return facts.required if self.attributes == "required" else facts.name in self.attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One entry of `require` or `hold`: its conditions, all of which must hold for it to hold, and why."""

    conditions: tuple[Condition, ...]
    reason: str
    legal: str = ""
    shared: bool = False
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """What becomes of numbers, counts, sums and pointers when elements went: `refuse`, or a word of MENDING."""

    sequence: str = REFUSE
    counts: str = REFUSE
    totals: str = REFUSE
    pointers: str = REFUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of a policy, its includes taken in. `sha256` is over its meaning and its texts, not over layout,
    order, or in which file a rule stands. `files`: those read, its own first; `schema_set_line`: where its set
    is named."""

    id: str
    version: int
    title: str
    schema_set: SchemaSetId
    rules: tuple[Rule, ...]
    require: tuple[Demand, ...] = ()
    hold: tuple[Demand, ...] = ()
    consistency: Consistency = field(default_factory=Consistency)
    file: str
    files: tuple[str, ...] = ()
    schema_set_line: int = 0
    sha256: str

    def is_own(self, entry: Rule | Demand) -> bool:
        """Tell whether something is written for this policy alone: it stands in its own file, and is not `shared`.

        Of what else there is, it is only warned that it stands nowhere here; not of what says `shared`: that is made
        for several schema sets.
        """
        return not entry.shared and (entry.file or self.file) == self.file

    def place(self, rule: Rule | Demand | None) -> str:
        """Return where a rule stands, as `file:line`; for default deny only the file."""
        return self.file if rule is None else f"{rule.file or self.file}:{rule.line}"
