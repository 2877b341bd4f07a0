"""The profile of one flow, compiled: rules and code lists on top of a schema set, and the judgement they give.

A document that its schema set accepts can still be wrong: totals that do not add up, days that no calendar has,
pointers to nowhere. What follows is the agreement's choice, by severity: nothing leaves, a person decides, or the
sender is told. No violation holds a value of the document. A profile belongs to one process and one thread.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from lxml import etree

from gateway.domain.ids import CodeListId
from gateway.domain.message import MessageKind
from gateway.domain.profile import ProfileTerms, Severity
from gateway.errors import SchemaError, Violation
from gateway.schema.code_lists.checks import CompiledCodeLists
from gateway.schema.rules.compiled import BrokenRule, CompiledRules, compile_rules, with_severities
from gateway.schema.rules.language import RuleSet, RuleTarget
from gateway.schema.validation import CompiledSet, ValidDocument

__all__ = ["CompiledProfile", "Judgement", "compile_profile", "judge", "judge_view"]

CODE_LIST_RULE: Final = "code_list:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a profile says of one document. Empty: nothing is wrong."""

    refused: tuple[Violation, ...] = ()
    held: tuple[Violation, ...] = ()
    warned: tuple[Violation, ...] = ()

    def refusal(self) -> SchemaError | None:
        """Return the refusal that follows, or None."""
        if not self.refused:
            return None
        places = f"{len(self.refused)} place{'s' if len(self.refused) != 1 else ''}"
        return SchemaError(
            "schema.profile_broken", f"The document breaks what was agreed in {places}", violations=self.refused
        )


_NOTHING: Final = Judgement()


class CompiledProfile:
    """The rules and code lists of one flow, each with a severity. Stays in its process."""

    __slots__ = ("_code_lists", "_code_severities", "_rules")

    def __init__(
        self,
        rules: CompiledRules | None,
        code_lists: CompiledCodeLists | None,
        code_severities: Mapping[CodeListId, Severity],
    ) -> None:
        self._rules: Final = rules
        self._code_lists: Final = code_lists
        self._code_severities: Final = {f"{CODE_LIST_RULE}{one}": word for one, word in code_severities.items()}

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a CompiledProfile stays in the process that compiled it; hand over its terms")

    def has_view_rules(self, kind: MessageKind) -> bool:
        """Tell whether views of such messages are judged too."""
        return self._rules is not None and self._rules.has(kind, RuleTarget.VIEW)

    def judgement(
        self, root: etree._Element, kind: MessageKind, target: RuleTarget, today: date, raw: bytes = b""
    ) -> Judgement:
        """Return what it says of the tree under `root`, read from `raw` if that is at hand.

        Code lists are for documents, not again for their views.
        """
        found: list[BrokenRule] = []
        if self._rules is not None:
            found += self._rules.breaches(root, kind, target, today, raw)
        if self._code_lists is not None and target is RuleTarget.DOCUMENT:
            for one in self._code_lists.violations(root, today):
                severity = self._code_severities.get(one.rule, Severity.REJECT)
                found.append(BrokenRule(severity=severity, violation=one))
        return _judgement(found) if found else _NOTHING


def _judgement(found: Iterable[BrokenRule]) -> Judgement:
    by: dict[Severity, list[Violation]] = {severity: [] for severity in Severity}
    for breach in found:
        by[breach.severity].append(breach.violation)
    return Judgement(refused=tuple(by[Severity.REJECT]), held=tuple(by[Severity.HOLD]), warned=tuple(by[Severity.WARN]))


def judge(document: ValidDocument, profile: CompiledProfile, today: date) -> Judgement:
    """Return what the profile says of a document that its schema set accepts. `today`: the gateway's day in UTC."""
    return profile.judgement(document.root, document.facts.kind, RuleTarget.DOCUMENT, today, document.document.raw)


def judge_view(view: ValidDocument, profile: CompiledProfile, today: date) -> Judgement:
    """Return what the profile says of the view that would leave."""
    return profile.judgement(view.root, view.document.kind, RuleTarget.VIEW, today, view.document.raw)


def compile_profile(
    terms: ProfileTerms, compiled: CompiledSet, rule_set: RuleSet | None, code_lists: CompiledCodeLists | None = None
) -> CompiledProfile:
    """Return the profile ready to judge. `rule_set` is the one that `terms` names; it passed `check_rules`."""
    rules = None
    if rule_set is not None:
        rules = compile_rules(with_severities(rule_set.rules, terms.severities, terms.without), compiled)
    return CompiledProfile(rules, code_lists, terms.code_lists)
