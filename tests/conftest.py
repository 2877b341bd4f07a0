"""What all tests share: the switches, counts that a run prints at its end, and what could not be run.

Tests marked `disks` mount disks of their own. Where that is impossible, a short run leaves them out and says so at its
end, in capitals; a long run has them fail, and so does one with `--disks`. Whoever starts test processes looks once, for
all of them: each would collect other tests if one of them found no loop device for a moment.
"""

import gc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

from tests.faults.loop_disk import why_not

# How long one example took is the machine's affair: on a busy one 200 ms, the default, pass without any fault.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

COUNTS = pytest.StashKey[dict[str, int]]()
NO_DISKS = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the long forms (marked `long`)")
    parser.addoption("--disks", action="store_true", help="have tests fail that can not mount their disks")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[COUNTS] = {}


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a test process what was found."""
    node.workerinput["no_disks"] = _no_disks(node.config)


def _no_disks(config: pytest.Config) -> str:
    """Return why tests that mount disks are left out, or nothing if they are not."""
    if config.getoption("--long") or config.getoption("--disks"):
        return ""
    if NO_DISKS not in config.stash:
        told = getattr(config, "workerinput", {}).get("no_disks")
        config.stash[NO_DISKS] = why_not() if told is None else told
    return config.stash[NO_DISKS]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Have the collector leave alone what was collected: ten thousand tests live as long as the process does."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    out = set() if config.getoption("--long") else {item for item in items if item.get_closest_marker("long")}
    on_disks = {item for item in items if item.get_closest_marker("disks")}
    if on_disks and _no_disks(config):
        out |= on_disks
    if out:
        config.hook.pytest_deselected(items=list(out))
        items[:] = [item for item in items if item not in out]


@pytest.fixture(scope="session")
def count(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Adds to a count that is printed at the end of the run: `count("valid declarations accepted", 1)`."""

    return lambda what, number=1: _add(pytestconfig, what, number)


def _add(config: pytest.Config, what: str, number: int) -> None:
    counts = config.stash[COUNTS]
    counts[what] = counts.get(what, 0) + number


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test process of several hands its counts to the one that prints."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["counts"] = session.config.stash[COUNTS]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for what, number in getattr(node, "workeroutput", {}).get("counts", {}).items():
        _add(node.config, what, number)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if reason := _no_disks(config):
        terminalreporter.section("NOT RUN: power cuts, full disks", red=True)
        terminalreporter.write_line(f"No disk can be mounted here: {reason}. `make faults` fails in such a place.")
    counts = config.stash[COUNTS]
    if counts:
        terminalreporter.section("counts")
    for what, number in counts.items():
        terminalreporter.write_line(f"{number:>8}  {what}")
