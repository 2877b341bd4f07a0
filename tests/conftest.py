"""What all tests share: the switch for long forms, and counts that a run prints at its end."""

from collections.abc import Callable

import pytest

COUNTS = pytest.StashKey[dict[str, int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the long forms (marked `long`)")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[COUNTS] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def count(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Adds to a count that is printed at the end of the run: `count("valid declarations accepted", 1)`.

    For runs in one process (make test-material); workers of xdist keep theirs to themselves.
    """

    def add(what: str, number: int = 1) -> None:
        counts = pytestconfig.stash[COUNTS]
        counts[what] = counts.get(what, 0) + number

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash[COUNTS]
    if counts:
        terminalreporter.section("counts")
    for what, number in counts.items():
        terminalreporter.write_line(f"{number:>8}  {what}")
