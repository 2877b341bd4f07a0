"""Priority lanes: who goes first when more is due to a partner than can be sent.

A more urgent transfer has a head start over those of the lane behind it, and no more: who has waited longer than the
head start goes first, whatever lane it is in. So urgent work passes a backlog, and no lane starves, however much of
the more urgent one keeps coming. Within a conversation order beats priority: only its head can be claimed at all.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

__all__ = ["HEAD_START", "LANES", "Priority"]


class Priority(StrEnum):
    """How urgent a submission is, as its client says."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"

    @property
    def lane(self) -> int:
        """The lane of its transfers; a lower number is more urgent."""
        return LANES.index(self)


LANES: Final = (Priority.URGENT, Priority.NORMAL, Priority.BULK)
HEAD_START: Final[Mapping[int, timedelta]] = MappingProxyType(
    {0: timedelta(0), 1: timedelta(seconds=30), 2: timedelta(minutes=5)}
)
"""Lane → by how much its transfers stand behind urgent ones that became due at the same time."""
