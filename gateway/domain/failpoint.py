"""The places at which a test may break a node on purpose, by the numbers of the fault plan (docs/operating.md).

Code that passes such a place calls what it was given for it; outside of tests that is `pass_by`. What a point does when
it is armed is not known here.
"""

from collections.abc import Callable
from enum import StrEnum


class Failpoint(StrEnum):
    """A place on the way of a hand-over. Writing one file passes FILE_WRITTEN to FOLDER_SYNCED once."""

    HAND_OVER_LEASED = "R9"
    FILE_WRITTEN = "R10a"
    FILE_SYNCED = "R10b"
    FILE_RENAMED = "R10c"
    FOLDER_SYNCED = "R10d"
    HAND_OVER_ACKNOWLEDGED = "R11"
    HAND_OVER_COMMITTED = "R12"


Reach = Callable[[Failpoint], None]
"""Called at a failpoint; returns at once unless a test armed that point."""


def pass_by(_point: Failpoint) -> None:
    """Do nothing: what happens at every failpoint unless a test armed one."""
