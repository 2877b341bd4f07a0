"""The texts of agreements and policies that were ever in force here, and from when to when.

`sha256` is the hash that travels with messages: over the meaning. `text_sha256` is over the very bytes that are kept,
so a text with another comment, or an agreement that was suspended, is another wording of the same.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

__all__ = ["Followed", "Wording", "WordingKind"]


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
