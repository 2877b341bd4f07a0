"""The texts of agreements and policies that were ever in force here, and from when to when.

`sha256` is the hash that travels with messages: over the meaning. `text_sha256` is over the very bytes that are kept,
so a text with another comment, or an agreement that was suspended, is another wording of the same.
"""

import difflib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

__all__ = ["Followed", "Wording", "WordingKind", "changes", "followed_before"]


class WordingKind(StrEnum):
    """What a text is of."""

    AGREEMENT = "agreement"
    POLICY = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One text, as it can be put into a file again."""

    kind: WordingKind
    id: str
    version: int
    sha256: str
    text: str = field(repr=False)

    @property
    def text_sha256(self) -> str:
        """SHA-256 over the text in UTF-8, lower-case hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A time during which a wording was followed. `until` None: it still is. `actor` as in an audit record."""

    kind: WordingKind
    id: str
    version: int
    sha256: str
    text_sha256: str
    since: datetime
    until: datetime | None
    actor: str
    reason: str


def followed_before(one: Followed, history: Iterable[Followed]) -> Followed | None:
    """Return what was followed last before `one` began, of the same agreement or policy; None for the first."""
    earlier = [other for other in history if (other.kind, other.id) == (one.kind, one.id) and other.since < one.since]
    return max(earlier, key=lambda other: (other.since, other.version), default=None)


def changes(before: str, after: str) -> list[str]:
    """Return in lines what differs between two texts, in the form of `diff -u` without its head; of equal ones none."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm="")
    return list(lines)[2:]
