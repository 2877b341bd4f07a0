"""What a demo prints at its end. Every word of it reads the same without colour, and nothing is wider than the console.

Signs carry the meaning: `ok` and `FAIL`, `stays`, `verified`; colour only repeats it.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.demo.beside import Line, Why, folded, rules_of
from gateway.demo.history import Acknowledged, History
from gateway.demo.stage import FR, GB, Stage
from gateway.demo.verdicts import Check
from gateway.domain.ids import MessageId, PartyId

_LONGEST: Final = 60
_PLACE_WIDTH: Final = 40
_RULE_WIDTH: Final = 84


def show_transfers(console: Console, history: History) -> None:
    """Print what became of each document, by direction."""
    for sender, recipient in ((GB, FR), (FR, GB)):
        table = table_of(
            f"From {sender} to {recipient}",
            ("document", "kind", "state", ">attempts", ">kept", ">withheld", "receipt", "handed\nover"),
        )
        for one in history.played.acknowledged:
            if one.document.sender == sender:
                table.add_row(*map(Text, _transfer(history, one)))
        console.print(table)
    console.print(Text("kept, withheld: leaves and attributes. receipt: verified offline, from public keys alone."))
    console.print(Text("handed over: when the partner's back end took it, as the partner's gateway has signed (UTC)."))
    console.print()


def _transfer(history: History, one: Acknowledged) -> tuple[str, ...]:
    document, standing = one.document, history.standing(one)
    if standing is None:
        return document.name, document.kind.value, "UNKNOWN", "", "", "", "", ""
    return (
        document.name,
        document.kind.value,
        standing.state.value,
        str(standing.attempts),
        str(standing.kept),
        str(standing.withheld),
        "NOT SO" if standing.receipt else "verified",
        "not known" if standing.notice else _clock(standing.handed_over),
    )


def show_beside(console: Console, name: str, lines: Sequence[Line]) -> None:
    """Print one document, held and got, and the rules by which the rest stays."""
    rules = rules_of(lines)
    table = table_of(f"Side by side: {name}", ("place", f"{GB} held", f"{FR} got"))
    for line in folded(lines):
        if isinstance(line, int):
            table.add_row(Text(f"… {line} more values"), Text("the same"), Text("the same"))
            continue
        why = "" if line.why is None else f" ({rules.index(line.why) + 1})"
        got = Text(f"stays{why}", style="bold") if line.got is None else Text(_short(line.got))
        place = _in_steps(line.path.removeprefix("/MetaData/Declaration/"), _PLACE_WIDTH)
        table.add_row(Text(place), Text(_short(line.held)), got)
    console.print(table)
    console.print(_rules(lines, rules))
    console.print(Text("Places are below /MetaData/Declaration. Comments and instructions are no values; none leaves."))
    console.print()


def _rules(lines: Sequence[Line], rules: Sequence[Why]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    for number, rule in enumerate(rules, start=1):
        table.add_row(Text(f"({number})"), Text("rule"), Text(_in_steps(f"{rule.action} {rule.path}", _RULE_WIDTH)))
        notes = sorted({line.note for line in lines if line.why == rule and line.note})
        told = {"in": rule.place, "stays": "; ".join(notes), "reason": rule.reason, "legal": rule.legal or "none given"}
        for name, text in told.items():
            if text:
                table.add_row(Text(), Text(name), Text(text))
    return table


def _in_steps(path: str, width: int) -> str:
    """Return a path in lines of at most `width`, broken before a step."""
    lines = [""]
    for step in re.split("(?=/)", path):
        if lines[-1] and len(lines[-1]) + len(step) > width:
            lines.append("  ")
        lines[-1] += step
    return "\n".join(lines)


def show_answers(console: Console, history: History) -> None:
    """Print what came back to GB, in order of arrival, and what it answers."""
    table = table_of(f"Answers that came back to {GB}", ("answer", "to", ">number", "at the back end"))
    by_message = {one.message: one for one in history.played.acknowledged}
    arrived = {MessageId(message.webhook_id): message for message in reversed(history.books[GB].received)}
    for message in sorted(arrived.values(), key=lambda one: one.arrived):
        answer, asked = by_message.get(MessageId(message.webhook_id)), message.metadata["in_reply_to"]
        if answer is None or asked not in by_message:
            continue
        shown = history.standing(by_message[asked])
        number = shown.answers.index(answer.message) + 1 if shown and answer.message in shown.answers else "–"
        names = (answer.document.name, by_message[asked].document.name, str(number), _clock(message.arrived))
        table.add_row(*map(Text, names))
    console.print(table)


def show_audit(console: Console, history: History) -> None:
    """Print the verdict on both chains."""
    table = table_of("Audit", ("chain of", ">records", "gateway audit verify", "a second program", "head"))
    for party, books in history.books.items():
        head = books.chain.head[:24] + "…" if books.chain.head else "–"
        second = books.chain.broken or "unbroken"
        table.add_row(*map(Text, (party, str(len(books.chain.records)), books.verdict, second, head)))
    console.print(table)


def show_checks(console: Console, checks: Sequence[Check]) -> None:
    """Print every check with its verdict; one that does not hold with what was expected and what was seen."""
    table = Table(title="Checks", title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for check in checks:
        sign = Text("ok", style="green") if check.holds else Text("FAIL", style="bold red")
        table.add_row(sign, Text(check.name), Text(check.claim))
        if not check.holds:
            table.add_row(Text(), Text("  expected"), Text(check.expected))
            table.add_row(Text(), Text("  seen"), Text(check.seen))
    console.print(table)
    failed = [check.name for check in checks if not check.holds]
    console.print()
    if failed:
        console.print(Text(f"{len(failed)} of {len(checks)} checks FAILED: {', '.join(failed)}", style="bold red"))
    else:
        console.print(Text(f"All {len(checks)} checks hold.", style="bold green"))


def show_consoles(console: Console, stage: Stage) -> None:
    """Print where both consoles are and how to sign in."""
    console.print(Text("\nBoth gateways keep running. Consoles, and for each the file with a token to sign in with:"))
    for party, node in stage.world.nodes.items():
        console.print(Text(f"  {party}  {node.operations_url}/"))
        # In one piece however wide it is, so that it can be copied.
        console.print(Text(f"    {token_file(stage, party)}"), soft_wrap=True)
    console.print(Text("Open the address and paste what the file holds.\nStop with Ctrl-C."))


def token_file(stage: Stage, party: PartyId) -> str:
    """Return the file that holds the operator's token of this party."""
    return str(stage.world.nodes[party].folder / "tokens" / "operator.token")


def table_of(title: str, columns: Sequence[str]) -> Table:
    """`>` before a heading: numbers."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
        width = _PLACE_WIDTH if column == "place" else None
        table.add_column(column.removeprefix(">"), justify=justify, overflow="fold", min_width=width)
    return table


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _clock(at: datetime | None) -> str:
    return "–" if at is None else f"{at:%H:%M:%S}"
