"""A failpoint acts once, where and when it was told to, and never without the setting that allows it."""

import signal
import subprocess
import sys

import pytest

from gateway.domain.failpoint import Failpoint, pass_by
from gateway.errors import ConfigurationError
from gateway.failpoints import VARIABLE, InjectedFaultError, read_failpoint


def test_without_the_variable_nothing_is_armed() -> None:
    assert read_failpoint({}, allowed=True) is pass_by
    assert read_failpoint({}, allowed=False) is pass_by


def test_it_is_refused_where_the_settings_do_not_allow_it() -> None:
    with pytest.raises(ConfigurationError, match="insecure_failpoints"):
        read_failpoint({VARIABLE: "R9:1:kill"}, allowed=False)


@pytest.mark.parametrize("text", ["R9", "R9:1", "R9:0:kill", "R9:-1:kill", "R9:x:kill", "R0:1:kill", "R9:1:boom", "::"])
def test_what_names_no_point_no_number_or_no_act_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="R10a") as caught:
        read_failpoint({VARIABLE: text}, allowed=True)
    assert caught.value.code == "config.invalid"


def test_it_acts_the_nth_time_and_only_then() -> None:
    reach = read_failpoint({VARIABLE: "R10b:2:raise"}, allowed=True)
    reach(Failpoint.FILE_SYNCED)
    reach(Failpoint.FILE_WRITTEN)
    with pytest.raises(InjectedFaultError):
        reach(Failpoint.FILE_SYNCED)
    reach(Failpoint.FILE_SYNCED)


KILLED = """
import os
from gateway.domain.failpoint import Failpoint
from gateway.failpoints import read_failpoint
reach = read_failpoint(os.environ, allowed=True)
print("before", flush=True)
reach(Failpoint.HAND_OVER_LEASED)
print("after", flush=True)
"""


def test_a_kill_ends_the_process_there() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED], env={VARIABLE: "R9:1:kill"}, capture_output=True, check=False, text=True
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "before\n")


def test_a_sleep_stands_still_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.failpoints.SLEEP_SECONDS", 0.001)
    reach = read_failpoint({VARIABLE: "R12:1:sleep"}, allowed=True)
    reach(Failpoint.HAND_OVER_COMMITTED)
    assert reach is not pass_by
