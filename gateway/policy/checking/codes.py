"""The part of the static check that looks at codes which a policy writes: are they in the list of their place?

A code that `replace` puts there is valid for the schema set, and may still be one that nobody knows: the partner's own
check of code lists would find it in every message. A list that is a selection can not tell, so it is not asked.
"""

from collections.abc import Iterator, Mapping

from gateway.errors import Finding, Level
from gateway.policy.checking.rules import finding, such_as
from gateway.policy.checking.worlds import Worlds
from gateway.policy.language.changes import ChangeKind
from gateway.policy.language.rules import Policy
from gateway.schema import CodeCatalogue, CodeList

__all__ = ["code_findings"]


def code_findings(policy: Policy, worlds: Worlds, codes: CodeCatalogue) -> Iterator[Finding]:
    """Return warnings about texts of `replace` that no code list of their place has, or only up to some day."""
    replacing = [rule for rule in policy.rules if rule.change is not None and rule.change.kind is ChangeKind.REPLACE]
    bound = _bound(worlds, codes) if replacing else {}
    for rule in replacing:
        text = "" if rule.change is None else rule.change.text
        told: dict[tuple[str, str], list[str]] = {}
        for anchor in worlds.anchors[id(rule)]:
            code_list = bound.get((anchor.path, anchor.attribute))
            problem = "" if code_list is None else _problem(code_list, codes, text)
            if code_list is not None and problem:
                told.setdefault((code_list.id, problem), []).append(anchor.text)
        for (list_id, problem), places in told.items():
            fix = f"Write a code that `gateway codelist show {list_id}` names, or drop what must not be known"
            said = f"writes {text} at {such_as(places)}, which {problem}"
            yield finding(policy, rule, "with", said, fix, Level.WARNING)


def _bound(worlds: Worlds, codes: CodeCatalogue) -> Mapping[tuple[str, str], CodeList]:
    """The complete list that each place takes its values from."""
    found: dict[tuple[str, str], CodeList] = {}
    for binding in codes.bindings:
        if codes.lists[binding.list].complete and (not binding.sets or worlds.set_id in binding.sets):
            found.update(dict.fromkeys(binding.places(worlds.tree), codes.lists[binding.list]))
    return found


def _problem(code_list: CodeList, codes: CodeCatalogue, text: str) -> str:
    """Why no list of a place has a code for good, one that extends it included; nothing when some has."""
    lists = [code_list, *(one for one in codes.lists.values() if one.extends == code_list.id)]
    known = [one.codes[text] for one in lists if text in one.codes]
    if not known:
        return f"the code list {code_list.id} ({code_list.title}) does not have"
    days = [one.valid_until for one in known]
    ends = [day for day in days if day is not None]
    if len(ends) < len(days):
        return ""
    return f"the code list {code_list.id} ({code_list.title}) has up to {max(ends).isoformat()} only"
