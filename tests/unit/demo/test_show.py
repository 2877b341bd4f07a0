"""What the demo prints fits 100 columns, says all without colour, and names what failed with expected and seen."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gateway.demo.beside import SHOWN, Line, explain_beside, folded, rules_of
from gateway.demo.checks import judge
from gateway.demo.documents import load_programme
from gateway.demo.layout import copy_agreement, lay_out
from gateway.demo.progress import telling
from gateway.demo.show import show_answers, show_audit, show_beside, show_checks, show_transfers
from gateway.demo.stage import FR, GB
from gateway.demo.watch import Counts
from gateway.domain.lifecycle import TransferState
from tests.unit.demo.played import AMENDMENT, NOON, good_history, view_of

HISTORY = good_history()


def printed(show: Callable[[Console], None], *, terminal: bool = False) -> str:
    out = io.StringIO()
    show(Console(file=out, width=100, force_terminal=terminal, color_system="standard" if terminal else None))
    return out.getvalue()


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, ...]:
    folder: Path = tmp_path_factory.mktemp("beside")
    world = lay_out(folder, [GB, FR], agreements=copy_agreement("gb-fr", folder / "config"), now=NOON)
    document = load_programme().named(SHOWN)
    return explain_beside(document, view_of(document), world.nodes[GB].config, now=NOON)


def test_the_side_by_side_shows_every_value_and_why_it_stays(beside: tuple[Line, ...]) -> None:
    document = load_programme().named(SHOWN)
    stays = [line for line in beside if line.got is None]
    assert (len(beside) - len(stays), len(stays)) == (document.kept, document.withheld)
    assert all(line.got == line.held for line in beside if line.got is not None)
    for line in stays:
        assert line.why is not None
        assert line.why.path.startswith(("/MetaData", "//", "set:", "privacy:"))
        assert line.why.reason
        assert line.why.legal
        assert line.why.place.startswith(("customs-cooperation.yaml:", "envelope.yaml:", "never.yaml:"))
    assert len(rules_of(beside)) > 3


def test_long_runs_of_what_left_are_folded(beside: tuple[Line, ...]) -> None:
    shown = list(folded(beside))
    assert sum(1 if isinstance(one, Line) else one for one in shown) == len(beside)
    assert [one for one in shown if isinstance(one, Line) and one.got is None] == [
        one for one in beside if one.got is None
    ]
    assert len(shown) < len(beside)


def test_everything_reads_the_same_without_colour(beside: tuple[Line, ...]) -> None:
    def everything(console: Console) -> None:
        show_transfers(console, HISTORY)
        show_beside(console, SHOWN, beside)
        show_answers(console, HISTORY)
        show_audit(console, HISTORY)
        show_checks(console, judge(HISTORY))

    text = printed(everything)
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text
    coloured = printed(everything, terminal=True)
    assert "\x1b[" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == text
    for word in ("DELIVERED", "verified", "stays", "free text", "conversation-2-accepted", "intact", "unbroken"):
        assert word in text
    assert "All 28 checks hold." in text
    assert len(re.findall(r" stays \(\d+\)", text)) == sum(
        isinstance(line, Line) and line.got is None for line in folded(beside)
    )
    assert load_programme().named(SHOWN).arrives[0] in text


def test_what_failed_is_named_with_what_was_expected_and_seen() -> None:
    one = HISTORY.of(AMENDMENT)
    assert one is not None
    at = replace(HISTORY.standings[one.transfer], state=TransferState.DEAD_LETTERED, receipt="there is none")
    checks = judge(replace(HISTORY, standings={**HISTORY.standings, one.transfer: at}))
    text = printed(lambda console: show_checks(console, checks))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    place = lines.index("FAIL delivered 2 of 3 transfers are DELIVERED")
    assert lines[place + 1 : place + 3] == ["expected DELIVERED, each", f"seen {AMENDMENT}: DEAD_LETTERED"]
    assert lines[-1] == "2 of 28 checks FAILED: delivered, receipts"


def test_progress_is_lines_where_there_is_no_terminal() -> None:
    def tell(console: Console) -> None:
        with telling(console, total=2) as teller:
            teller.say("It begins.")
            teller.see(Counts(taken=1))
            teller.see(Counts(taken=2, delivered=2, arrived=2, known=2))

    text = printed(tell)
    assert text.splitlines()[0] == "It begins."
    assert "of 2: 2 taken, 2 delivered, 2 at the partner's back end, 2 known to be there" in text
    assert "\x1b" not in text


def test_progress_is_bars_on_a_terminal() -> None:
    def tell(console: Console) -> None:
        with telling(console, total=2) as teller:
            teller.say("It begins.")
            teller.see(Counts(taken=1))

    text = printed(tell, terminal=True)
    assert "It begins." in text
    assert "\x1b" in text
    assert "taken" in text
