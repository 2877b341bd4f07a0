"""What all tests share: the switch for long forms, counts that a run prints at its end, and what could not be run.

Tests marked `disks` mount disks of their own. Where that is impossible, a short run leaves them out and says so at its
end, in capitals; a long run has them fail.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.loop_disk import why_not

COUNTS = pytest.StashKey[dict[str, int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the long forms (marked `long`)")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[COUNTS] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    out = {item for item in items if item.get_closest_marker("long")}
    on_disks = {item for item in items if item.get_closest_marker("disks")}
    if on_disks and why_not():
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
    if (reason := why_not()) and not config.getoption("--long"):
        terminalreporter.section("NOT RUN: power cuts, full disks", red=True)
        terminalreporter.write_line(f"No disk can be mounted here: {reason}. `make faults` fails in such a place.")
    counts = config.stash[COUNTS]
    if counts:
        terminalreporter.section("counts")
    for what, number in counts.items():
        terminalreporter.write_line(f"{number:>8}  {what}")
