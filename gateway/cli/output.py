"""How commands speak: tables and lines for people, JSON for programs, problems on stderr, three exit codes.

0 done, 1 refused or failed, 2 usage. What comes from elsewhere (a partner's words, an operator's reason) is shown as
plain text: no markup, no control characters, nothing a terminal would obey.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.errors import ConfigurationError, Finding, GatewayError, SchemaError

__all__ = [
    "AsJson",
    "Language",
    "clock",
    "facts_words",
    "fail",
    "finding_members",
    "minute",
    "payload_words",
    "plain",
    "print_json",
    "print_lines",
    "print_table",
    "reporting",
    "say",
    "say_findings",
    "terminal_width",
    "violation_lines",
    "with_difficulty",
]

FAILED: Final = 1
_WIDTH: Final = 100
"""Columns where the output is no terminal, so that a saved table reads as it did on the screen."""

# C0 and C1 controls, line separators, and the bidirectional controls of UAX #9.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")

Language = Annotated[
    str, typer.Option("--lang", help="Language of the explanations, such as en; English where there is none.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs, one object a line.")]


@contextmanager
def reporting(*, as_json: bool) -> Iterator[None]:
    """Turn failures of the gateway into a message on stderr (JSON if asked for) and exit code 1."""
    try:
        yield
    except GatewayError as error:
        _report(error, as_json=as_json)
        raise typer.Exit(FAILED) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        fail("system.refused", f"{place}{error.strerror or error}", as_json=as_json)


def fail(code: str, detail: str, *, as_json: bool, members: Mapping[str, Any] | None = None) -> None:
    """Print one problem and leave with exit code 1."""
    if as_json:
        print_json({"code": code, "detail": detail, **(members or {})}, error=True)
    else:
        _console(error=True).print(
            Text.assemble(("Error ", "bold red"), f"{plain(code)}: {plain(detail)}"), soft_wrap=True
        )
    raise typer.Exit(FAILED)


def print_json(value: object, *, error: bool = False) -> None:
    """Print one JSON object on one line."""
    text = json.dumps(value, ensure_ascii=False, default=_json_value)
    # A pipe in another encoding must not break the line: what it can not hold is escaped.
    stream = sys.stderr if error else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def print_lines(pairs: Iterable[tuple[str, object]]) -> None:
    """Print names and values below each other."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(Text(name), Text(plain(value)))
    _console().print(table)


_IDS: Final = frozenset({"Transfer", "Message"})


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; long values are folded, never cut."""
    table = Table(title=Text(title) if title else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # An id in one piece can be copied and searched for.
        table.add_column(Text(column), overflow="fold", no_wrap=column in _IDS)
    for row in rows:
        table.add_row(*(Text(plain(value)) for value in row))
    _console().print(table)


def say(text: str) -> None:
    """Print one line for people."""
    _console().print(Text(plain(text)), soft_wrap=True)


def terminal_width() -> int:
    """Return how many columns there are; 100 where the output is no terminal."""
    return _console().width


def plain(value: object) -> str:
    """Return a value as text that a terminal only shows."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return clock(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _UNSAFE.sub("\ufffd", str(value))


def clock(at: datetime | None) -> str:
    """Return a time in UTC to the second."""
    return "–" if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z"


def violation_lines(one: Mapping[str, Any]) -> list[str]:
    """Return a violation, as the JSON has it, in lines: where and what, what was expected, what to do."""
    line = f"line {one['line']}, " if one.get("line") else ""
    wco = " ".join(filter(None, (one.get("wco_id"), one.get("wco_name"))))
    place = f"{line}{one.get('path', '')}{f' (WCO {wco})' if wco else ''}"
    more = [f"    {name}: {one[name]}" for name in ("expected", "value", "fix") if one.get(name)]
    return [f"{place}: {one.get('message', '')} [{one.get('code')}]", *more]


def minute(at: datetime | None) -> str:
    """Return a time in UTC for a list, where room is short and the newest comes first: month, day, hour, minute."""
    return "–" if at is None else f"{at:%m-%d %H:%M}"


def payload_words(purged: datetime | None) -> str | None:
    """Return what to say of a payload that is no longer kept, None of one that is."""
    return None if purged is None else f"purged at {clock(purged)}: its retention is over"


def facts_words(facts: Mapping[str, object]) -> str:
    """Return what an audit record says beside event and actor."""
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def with_difficulty(state: str, code: str) -> str:
    """Return a state for a list, and after it the code of what is in the way, if anything is."""
    return state if code in {"", "ok"} else f"{state} {code}"


def _report(error: GatewayError, *, as_json: bool) -> None:
    findings = error.findings if isinstance(error, ConfigurationError) else ()
    violations = error.violations if isinstance(error, SchemaError) else ()
    if as_json:
        members: dict[str, Any] = {"code": error.code, "title": error.entry.title, "detail": error.detail}
        if findings:
            members["findings"] = [finding_members(one) for one in findings]
        if violations:
            members["violations"] = [one.as_json() for one in violations]
        print_json(members, error=True)
        return
    console = _console(error=True)
    told = error.entry.title if any(one.is_error for one in findings) else error.detail
    console.print(Text.assemble(("Error ", "bold red"), f"{error.code}: {plain(told)}"), soft_wrap=True)
    say_findings(findings, error=True)
    for violation in violations:
        for line in violation_lines(violation.as_json()):
            console.print(Text(plain(f"  {line}")), soft_wrap=True)


def say_findings(findings: Iterable[Finding], *, error: bool = False) -> None:
    """Print findings for people, each on a line; warnings say that they are."""
    console = _console(error=error)
    for one in findings:
        mark = "" if one.is_error else "Warning: "
        console.print(Text(f"  {mark}{plain(str(one))}"), soft_wrap=True)


def finding_members(one: Finding) -> dict[str, Any]:
    """Return a finding as JSON shows it."""
    told = {"file": one.file, "line": one.line, "key": one.key, "problem": one.problem, "fix": one.fix}
    return {**told, "level": one.level.value}


def _console(*, error: bool = False) -> Console:
    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else _WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def _json_value(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
