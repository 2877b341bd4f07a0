"""What an agreement asks of a document beyond its schema set: which rules and code lists, and how hard each is.

The rules themselves are data (docs/profile-rules.md); here stand only the words that agreements use. Both parties hold
the same text, so all of it counts in the agreement's hash, the hash of the rule set included.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from gateway.domain.ids import CodeListId, RuleSetId


class Severity(StrEnum):
    """What follows when a rule is broken: nothing leaves, a person decides, or the sender is told and it goes on."""

    REJECT = "reject"
    HOLD = "hold"
    WARN = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileTerms:
    """The profile of one flow. `severities`: rule id → what this agreement makes of it instead of the rule's own word.

    `rules` None: no rule set. `without`: rules of the set that do not apply. `code_lists`: list id → severity, and
    `code_lists_sha256`: list id → hash of the list. `sha256` is over all the rest, hex: two flows with the same one are
    judged alike under one schema set; `sealed_profile` fills it in, and it is empty where nothing is asked.
    """

    rules: RuleSetId | None = None
    rules_sha256: str = ""
    severities: Mapping[str, Severity] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    code_lists: Mapping[CodeListId, Severity] = field(default_factory=dict)
    code_lists_sha256: Mapping[CodeListId, str] = field(default_factory=dict)
    sha256: str = ""

    def content(self) -> dict[str, Any]:
        """Return what the agreement's hash is over."""
        return {
            "rules": self.rules or "",
            "rules_sha256": self.rules_sha256,
            "severities": {rule: severity.value for rule, severity in self.severities.items()},
            "without": sorted(self.without),
            "code_lists": {name: severity.value for name, severity in self.code_lists.items()},
            "code_lists_sha256": dict(self.code_lists_sha256),
        }


NO_PROFILE: Final = ProfileTerms()


def sealed_profile(terms: ProfileTerms) -> ProfileTerms:
    """Return the terms with their hash."""
    text = json.dumps(terms.content(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return replace(terms, sha256=hashlib.sha256(text.encode()).hexdigest())
