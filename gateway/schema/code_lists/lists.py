"""Code lists as versioned data: which codes there are, from when to when, and who says so.

They come as a mapping from file name to bytes: `lists.toml` tells what each list is and where it comes from, one CSV
file a list holds its codes, and `bindings.toml`, if there is one, tells which places of a schema set take their values
from it (bindings.py). A file that is broken in one line refuses all of them, with the line: half a list would
refuse documents that are right. docs/code-lists.md describes the files.
"""

import csv
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from typing import Any, Final

from gateway.domain.ids import CodeListId, is_name
from gateway.errors import ConfigurationError, Finding, SchemaError

__all__ = ["BINDINGS", "LISTS", "Code", "CodeList", "entries_of", "find_list", "read_lists"]

LISTS: Final = "lists.toml"
BINDINGS: Final = "bindings.toml"
HEADER: Final = ("code", "name", "valid_from", "valid_until")
_TEXTS: Final = ("id", "title", "file", "edition", "source", "licence")
_CODE: Final = re.compile(r"[!-~]{1,35}")
_SUGGESTED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One code. Valid from the first day to the last, both included; None: always. `name` may be empty."""

    code: str
    name: str = ""
    valid_from: date | None = None
    valid_until: date | None = None

    def is_valid(self, on: date) -> bool:
        """Tell whether it may be used on this day."""
        return (self.valid_from is None or self.valid_from <= on) and (
            self.valid_until is None or on <= self.valid_until
        )

    def as_json(self) -> dict[str, Any]:
        """Return the members shown to people and programs; days as `YYYY-MM-DD`."""
        days = {"valid_from": self.valid_from, "valid_until": self.valid_until}
        return {"code": self.code, "name": self.name, **{key: day and day.isoformat() for key, day in days.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeList:
    """One list. `complete`: holds every code of its edition; one that does not may only warn.

    `extends`: its codes count wherever those of that list do, if an agreement names both. `sha256`: over its CSV file,
    lower-case hex.
    """

    id: CodeListId
    title: str
    edition: str
    source: str
    licence: str
    complete: bool
    extends: CodeListId | None
    sha256: str
    codes: Mapping[str, Code] = field(repr=False)

    def valid(self, on: date) -> frozenset[str]:
        """Return the codes that may be used on this day."""
        return frozenset(code for code, entry in self.codes.items() if entry.is_valid(on))

    def near(self, code: str) -> tuple[Code, ...]:
        """Return codes that look like this one, the likeliest first; at most five."""
        found = get_close_matches(code.upper(), self.codes, n=_SUGGESTED, cutoff=0.5)
        return tuple(self.codes[one] for one in found)


def find_list(lists: Mapping[CodeListId, CodeList], list_id: str) -> CodeList:
    """Return the list. Raises SchemaError `codelist.unknown_list`, which names those there are."""
    found = lists.get(CodeListId(list_id))
    if found is None:
        raise SchemaError("codelist.unknown_list", f"There is no list of this id; there are {', '.join(sorted(lists))}")
    return found


def read_lists(files: Mapping[str, bytes], folder: str = "") -> dict[CodeListId, CodeList]:
    """Return the lists in `files`, by id. `folder`: what to call the place in a finding.

    Raises ConfigurationError `codelist.broken` with everything that is wrong, each with its file and line.
    """
    findings: list[Finding] = []
    lists: dict[CodeListId, CodeList] = {}
    for line, entry in entries_of(files, LISTS, "list", folder, findings):
        loaded = _list(entry, files, line, folder, findings)
        if loaded is None:
            continue
        if loaded.id in lists:
            findings.append(_finding(folder, LISTS, line, "id", "is the id of two lists", "Give each its own"))
        lists[loaded.id] = loaded
    named = {str(entry.get("file")) for _, entry in entries_of(files, LISTS, "list", folder, [])}
    for name in sorted(files):
        if name.endswith(".csv") and name not in named:
            problem = f"no list in {LISTS} has this file"
            findings.append(_finding(folder, name, None, "", problem, f"Describe it in {LISTS}, or take it away"))
    if findings:
        raise ConfigurationError("codelist.broken", findings=tuple(findings))
    return lists


def entries_of(
    files: Mapping[str, bytes], name: str, table: str, folder: str, findings: list[Finding]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line, entry) of every `[[table]]` in the TOML file `name`; what is wrong with it goes to `findings`."""
    try:
        text = files[name].decode("utf-8")
        content = tomllib.loads(text)
    except KeyError:
        findings.append(_finding(folder, name, None, "", "is missing", "See docs/code-lists.md for what it holds"))
        return
    except (ValueError, RecursionError) as error:  # RecursionError: a nesting without end
        at = re.search(r"at line (\d+)", str(error))
        line = int(at[1]) if at else None
        findings.append(_finding(folder, name, line, "", "is not TOML in UTF-8", "Mend the line"))
        return
    unknown = sorted(set(content) - {table})
    findings += [_finding(folder, name, None, key, "is not known here", f"Use [[{table}]]") for key in unknown]
    entries = content.get(table, [])
    lines = [number for number, text in enumerate(text.splitlines(), start=1) if text.strip() == f"[[{table}]]"]
    if not isinstance(entries, list) or len(lines) != len(entries):
        findings.append(_finding(folder, name, None, table, "is not a list of tables", f"Write [[{table}]] alone"))
        return
    yield from zip(lines, entries, strict=True)


def _list(
    entry: Mapping[str, Any], files: Mapping[str, bytes], line: int, folder: str, findings: list[Finding]
) -> CodeList | None:
    problems = list(_problems(entry))
    findings += [_finding(folder, LISTS, line, *problem) for problem in problems]
    if problems:
        return None
    name = entry["file"]
    if name not in files:
        findings.append(_finding(folder, LISTS, line, "file", "is not in the folder", "Give the name of a CSV file"))
        return None
    return CodeList(
        id=CodeListId(entry["id"]),
        title=entry["title"],
        edition=entry["edition"],
        source=entry["source"],
        licence=entry["licence"],
        complete=entry["complete"],
        extends=CodeListId(entry["extends"]) if "extends" in entry else None,
        sha256=hashlib.sha256(files[name]).hexdigest(),
        codes=_codes(files[name], name, folder, findings),
    )


def _problems(entry: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (key, what is wrong, the mend) of what describes a list."""
    for key in _TEXTS:
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            yield key, "must be a text", f'Write {key} = "…"'
    for key in ("id", "extends"):
        if not is_name(str(entry.get(key, "none"))):
            yield key, "is not an id", "Use lower-case letters, digits, dots and hyphens"
    if not isinstance(entry.get("complete"), bool):
        yield "complete", "must be true or false", "Write true only if the list holds every code of its edition"
    for key in sorted(set(entry) - {*_TEXTS, "complete", "extends"}):
        yield key, "is not known here", "Take it away"


def _codes(content: bytes, name: str, folder: str, findings: list[Finding]) -> dict[str, Code]:
    codes: dict[str, Code] = {}
    try:
        rows = csv.reader(content.decode("utf-8").removesuffix("\n").split("\n"), strict=True)
        header = next(rows, [])
        if tuple(header) != HEADER:
            findings.append(_finding(folder, name, 1, "", "has another first line", f"Write {','.join(HEADER)}"))
            return codes
        for row in rows:
            code, problem = _code(row)
            if code is not None and code.code in codes:
                problem = "its code stands in the list before"
            if problem:
                fix = f"A line is {','.join(HEADER)}; days are YYYY-MM-DD or empty"
                findings.append(_finding(folder, name, rows.line_num, "", problem, fix))
            elif code is not None:
                codes[code.code] = code
    except UnicodeDecodeError:
        findings.append(_finding(folder, name, None, "", "is not UTF-8", "Save it as UTF-8"))
    except csv.Error:
        findings.append(_finding(folder, name, None, "", "is not CSV", "Put names with a comma in double quotes"))
    if not codes and not findings:
        findings.append(_finding(folder, name, None, "", "holds no code", "Add one, or take the list away"))
    return codes


def _code(row: list[str]) -> tuple[Code | None, str]:
    """Return the code of a line, or what is wrong with the line."""
    if len(row) != len(HEADER):
        return None, f"has {len(row)} values instead of {len(HEADER)}"
    if not _CODE.fullmatch(row[0]):
        return None, "its code is empty, too long or has a blank in it"
    try:
        first, last = (date.fromisoformat(day) if day else None for day in row[2:])
    except ValueError:
        return None, "has a day that no calendar has"
    if first is not None and last is not None and last < first:
        return None, "ends before it begins"
    return Code(code=row[0], name=row[1], valid_from=first, valid_until=last), ""


def _finding(folder: str, name: str, line: int | None, key: str, problem: str, fix: str) -> Finding:
    return Finding(file=f"{folder}/{name}" if folder else name, line=line, key=key, problem=problem, fix=fix)
