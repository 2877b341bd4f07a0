"""What was found out about keys, kept for as long as nothing can have changed it.

Which key of a party is to be used, and what revocation lists say of it, changes when a file is read anew (a new
generation) and at moments that can be told beforehand: a certificate begins or ends, a list goes stale. Between two
such moments the answer is the same, so it is worked out once and not for every message. At such a moment itself nothing
is kept; refusals are never kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

FoundT = TypeVar("FoundT")
NameT = TypeVar("NameT")

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged(Generic[FoundT]):
    """What was found. It holds in this generation, after `since` and before `until`."""

    generation: int
    since: datetime
    until: datetime
    found: FoundT = field(repr=False)


class JudgedKeys(Generic[NameT, FoundT]):
    """What was found, by name: there are as many names as there are parties or keys in the files."""

    __slots__ = ("_judged",)

    def __init__(self) -> None:
        self._judged: dict[NameT, _Judged[FoundT]] = {}

    def get(self, name: NameT, generation: int, now: datetime) -> FoundT | None:
        """Return what was found under a name if it still holds."""
        known = self._judged.get(name)
        if known is None or known.generation != generation or not known.since < now < known.until:
            return None
        return known.found

    def keep(self, name: NameT, generation: int, now: datetime, turns: Iterable[datetime], found: FoundT) -> FoundT:
        """Return `found`, kept until the next of the moments at which it may turn out otherwise."""
        moments = tuple(turns)
        if now not in moments:
            self._judged[name] = _Judged(
                generation=generation,
                since=max((one for one in moments if one < now), default=_EARLIEST),
                until=min((one for one in moments if one > now), default=_LATEST),
                found=found,
            )
        return found
