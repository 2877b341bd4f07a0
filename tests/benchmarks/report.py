"""From measured rounds to medians and ratios, to `build/bench.json` and to a table.

Machines are noisy, so a ratio is taken within each round, between figures measured one right after the other, and its
median over the rounds is what is told. A median of rates would mix moments that have nothing to do with each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

FORMAT: Final = "wco-gateway-bench/1"
ABOUT: Final[Mapping[str, str]] = {
    "format": "The name and version of this form.",
    "machine": "cores this process may use; python: its version. Nothing else is told of the machine.",
    "settings": "messages: a round, end to end; floor_messages: a round of a floor; connections: of the client that hands in one at a time;"
    " bulk_lines: submissions in a request of the client that hands in several;"
    " workers: processes of each gateway beside its main process; hand_over_batch: messages in one webhook to the back"
    " end, at most; rounds; waiting, restart: transfers that wait while a"
    " claim, and a start, is timed.",
    "rounds": "In order. Rates in messages a second: floor, batched_floor, acknowledged (first submission to last 202),"
    " end_to_end (to the last receipt), handed_over (to the last hand-over), all with several submissions in a request;"
    " single: end to end with one submission in a request; naive: the same, through gateways in which nothing goes"
    " together (settings `batches`), and with one message in a webhook. ratios: within this round."
    " cpu_ms: CPU milliseconds a message by process. rows: microseconds a message, [ours, bare].",
    "medians": "Of each rate over the rounds.",
    "ratios": "The median over the rounds of the ratios within them. These are what may be compared between machines.",
    "cpu_ms": "The median over the rounds, by process. Empty where the system does not tell.",
    "rows": "By name: title; ours_us and bare_us, medians; ratio, the median of the ratios within the rounds; target, the"
    " highest ratio wanted, or null.",
}
TARGETS: Final[Mapping[str, float]] = {
    "end_to_end_over_batched_floor": 0.50,
    "end_to_end_over_floor": 0.60,
    "end_to_end_over_naive": 3.0,
}
"""The lowest ratios wanted."""


_RATES: Final = ("floor", "batched_floor", "acknowledged", "end_to_end", "handed_over", "single", "naive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One interleaved round. Rates in messages a second; `rows` in microseconds a message, (ours, bare) by name."""

    floor: float
    batched_floor: float
    acknowledged: float
    end_to_end: float
    handed_over: float
    single: float
    naive: float
    cpu_ms: Mapping[str, float] = field(default_factory=dict)
    rows: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def rates(self) -> dict[str, float]:
        """The rates by name."""
        return {name: getattr(self, name) for name in _RATES}

    @property
    def ratios(self) -> dict[str, float]:
        """End to end over each floor and over the naive form, within this round."""
        return {
            "end_to_end_over_batched_floor": self.end_to_end / self.batched_floor,
            "end_to_end_over_floor": self.end_to_end / self.floor,
            "end_to_end_over_naive": self.end_to_end / self.naive,
        }


def medians(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of every member that all of `values` have, in the order of the first. Raises ValueError for
    none."""
    if not values:
        raise ValueError("a median of nothing")
    return {name: median(one[name] for one in values) for name in values[0] if all(name in one for one in values)}


def report(
    rounds: Sequence[Round],
    *,
    titles: Mapping[str, tuple[str, float | None]],
    machine: Mapping[str, Any],
    settings: Mapping[str, int],
) -> dict[str, Any]:
    """Return what `build/bench.json` holds; ABOUT says what each member is. `titles`: title and target of each row."""
    return {
        "about": dict(ABOUT),
        "format": FORMAT,
        "machine": dict(machine),
        "settings": dict(settings),
        "medians": medians([one.rates for one in rounds]),
        "ratios": medians([one.ratios for one in rounds]),
        "cpu_ms": medians([one.cpu_ms for one in rounds]),
        "rows": {name: _row(rounds, name, title, target) for name, (title, target) in titles.items()},
        "rounds": [
            {
                **one.rates,
                "ratios": one.ratios,
                "cpu_ms": dict(one.cpu_ms),
                "rows": {name: list(pair) for name, pair in one.rows.items()},
            }
            for one in rounds
        ],
    }


def _row(rounds: Sequence[Round], name: str, title: str, target: float | None) -> dict[str, Any]:
    pairs = [one.rows[name] for one in rounds]
    return {
        "title": title,
        "ours_us": median(ours for ours, _ in pairs),
        "bare_us": median(bare for _, bare in pairs),
        "ratio": median(ours / bare for ours, bare in pairs),
        "target": target,
    }


def tables(found: Mapping[str, Any]) -> list[Table]:
    """Return the tables that are printed: every round, and the parts."""
    return [_rounds_table(found), _rows_table(found)]


def _rounds_table(found: Mapping[str, Any]) -> Table:
    table = Table(title="Messages a second, and receipts over each floor and over the naive form", box=SIMPLE_HEAD)
    headings = ("round", "floor", "batched", "202", "receipts", "hand-overs", "single", "naive")
    for heading in (*headings, "/ batched", "/ floor", "/ naive"):
        table.add_column(heading, justify="right")
    for number, one in enumerate(found["rounds"], start=1):
        table.add_row(str(number), *_cells(one, one["ratios"]))
    table.add_section()
    table.add_row("median", *_cells(found["medians"], found["ratios"]), style="bold")
    table.add_row("target", *[""] * len(_RATES), *(f"≥ {TARGETS[name]:.2f}" for name in TARGETS))
    return table


def _cells(rates: Mapping[str, float], ratios: Mapping[str, float]) -> list[str]:
    return [*(f"{rates[name]:,.0f}" for name in _RATES), *(f"{ratios[name]:.3f}" for name in TARGETS)]


def _rows_table(found: Mapping[str, Any]) -> Table:
    table = Table(title="Parts: µs a message in one process, and CPU by process end to end", box=SIMPLE_HEAD)
    for heading in ("part", "ours", "bare", "ratio", "target"):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    for row in found["rows"].values():
        target = "" if row["target"] is None else f"≤ {row['target']:.2f}"
        table.add_row(row["title"], f"{row['ours_us']:,.0f}", f"{row['bare_us']:,.0f}", f"{row['ratio']:.2f}", target)
    table.add_section()
    for who, milliseconds in found["cpu_ms"].items():
        table.add_row(f"CPU of the {who}", f"{milliseconds * 1000:,.0f}", "", "", "")
    return table
