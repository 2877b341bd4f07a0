"""Breaks a node on purpose at one place, for fault tests: `GATEWAY_FAILPOINT=name:nth:kill|raise|sleep`.

The only thing that the environment can change about a node, and only one whose settings say `insecure_failpoints`,
which is audited at every start. With the variable and without the setting a node refuses to start.
"""

import os
import signal
import threading
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.errors import ConfigurationError

__all__ = ["VARIABLE", "Act", "ArmedFailpoint", "InjectedFaultError", "read_failpoint"]

VARIABLE: Final = "GATEWAY_FAILPOINT"
SLEEP_SECONDS: Final = 10.0


class Act(StrEnum):
    """What an armed point does. `kill`: SIGKILL to this process. `raise`: an error that nobody foresaw. `sleep`: the
    thread stands still for SLEEP_SECONDS; on the event loop, so does the node."""

    KILL = "kill"
    RAISE = "raise"
    SLEEP = "sleep"


class InjectedFaultError(Exception):
    """What `raise` raises."""


class ArmedFailpoint:
    """Acts the `nth` time that `point` is reached, from 1, and never again. A `domain.failpoint.Reach`; any thread."""

    def __init__(self, point: Failpoint, nth: int, act: Act) -> None:
        self._point = point
        self._left = nth
        self._act = act
        self._lock = threading.Lock()

    def __call__(self, point: Failpoint) -> None:
        if point is not self._point:
            return
        with self._lock:
            self._left -= 1
            now = self._left == 0
        if now:
            self._break()

    def _break(self) -> None:
        match self._act:
            case Act.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            case Act.RAISE:
                raise InjectedFaultError(str(self._point))
            case Act.SLEEP:
                time.sleep(SLEEP_SECONDS)


def read_failpoint(environment: Mapping[str, str], *, allowed: bool) -> Reach:
    """Return what to call at failpoints: `pass_by` unless the environment arms one.

    Raises ConfigurationError `config.invalid` for one that is armed though the settings do not allow it, or that names
    no point, no number or no act.
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return pass_by
    if not allowed:
        raise ConfigurationError(
            "config.invalid", f"{VARIABLE} is set, and the settings lack insecure_failpoints = true"
        )
    name, _, rest = text.partition(":")
    nth, _, act = rest.partition(":")
    if name not in set(Failpoint) or act not in set(Act) or not (nth.isdecimal() and nth.isascii() and int(nth) > 0):
        points, acts = ", ".join(Failpoint), "|".join(Act)
        raise ConfigurationError("config.invalid", f"{VARIABLE} is not NAME:NTH:{acts} with a NAME out of {points}")
    return ArmedFailpoint(Failpoint(name), int(nth), Act(act))
