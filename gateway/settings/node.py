"""Reads the settings of one node from a TOML file: one way in, every problem at once.

The file is the only source: no environment variable changes a node, so what was configured is what the file says.
First each value is checked for itself, then all of them against each other; the second step needs the first to hold.
"""

import dataclasses
import re
import tomllib
import typing
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from gateway.domain.access import Role
from gateway.errors import ConfigurationError, Finding
from gateway.policy.language.reading import nearest
from gateway.settings.kinds import WRONG, is_loopback
from gateway.settings.toml_lines import Location, key_lines, line_at
from gateway.settings.values import BACKEND_KINDS, DropFolder, Listener, NodeSettings, PullInbox, Webhook

__all__ = ["load_node"]

_AT_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)")
_EXAMPLE: Final = "docs/configuration.md shows one"
# What pydantic calls it → what we say, and what to write instead.
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "int_parsing": ("is not a whole number", "Write digits without quotes"),
    "int_type": ("is not a whole number", "Write digits without quotes"),
    "int_from_float": ("is not a whole number", "Write digits without a fraction"),
    "bool_parsing": ("is neither true nor false", "Write true or false without quotes"),
    "bool_type": ("is neither true nor false", "Write true or false without quotes"),
    "string_type": ("is not a text", "Write it in quotes"),
    "path_type": ("is not a path", "Write it in quotes"),
    "tuple_type": ("is not a list", "Write it in square brackets, or as [[…]] tables"),
    "frozen_set_type": ("is not a list", "Write it in square brackets"),
    "dataclass_type": ("is not a table", f"Write its keys below a [header]; {_EXAMPLE}"),
}


def load_node(path: Path, *, look: bool = True) -> NodeSettings:
    """Return the settings in the TOML file at `path`, with absolute paths.

    Without `look`, the files and folders it names need not be there: enough to find a node that runs.
    Raises ConfigurationError: `config.not_found`, or `config.invalid` with every finding.
    """
    settings, findings = read_node(path, look=look)
    if findings or settings is None:
        raise _invalid(findings)
    return settings


def read_node(path: Path, *, look: bool = True) -> tuple[NodeSettings | None, tuple[Finding, ...]]:
    """Return what could be read of a settings file, and everything wrong with it. With findings, values may be missing.

    Raises ConfigurationError as `load_node` does when the file is no readable TOML.
    """
    file = str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
        raw = tomllib.loads(text)
    except OSError:
        missing = Finding(file=file, problem="can not be read", fix="Correct the path of --config")
        raise ConfigurationError("config.not_found", findings=(missing,)) from None
    except UnicodeDecodeError:
        raise _invalid([Finding(file=file, problem="is not UTF-8", fix="Save it as UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        raise _invalid([_toml_finding(file, str(error))]) from None
    except (ValueError, RecursionError):  # a number or a nesting without end; tomllib does not say where
        finding = Finding(file=file, problem="is not TOML that can be read", fix="Shorten its numbers, nest less")
        raise _invalid([finding]) from None
    lines = key_lines(text)
    folder = path.absolute().parent
    if "file" in raw:  # A value of NodeSettings, and nothing to write.
        problem = "is not a key"
        raise _invalid(
            [Finding(file=file, line=line_at(lines, ("file",)), key="file", problem=problem, fix="Remove it")]
        )
    values: dict[str, Any] = {**raw, "file": file}
    findings: list[Finding] = []
    removed: list[Location] = []
    settings = _validated(values, folder, look=look)
    if isinstance(settings, ValidationError):
        wrong = settings.errors(include_url=False)
        findings = [_finding(file, lines, detail) for detail in wrong]
        # What is wrong in one key must not hide what two others say together: look at the rest without it.
        removed = [_place(detail) for detail in wrong]
        for place in removed:
            _remove(values, place)
        settings = _validated(values, folder, look=look)
    if not isinstance(settings, ValidationError):
        findings += [
            Finding(file=file, line=line_at(lines, place), key=_key(place), problem=problem, fix=fix)
            for place, problem, fix in _disagreements(settings)
            if not any(gone[: len(place)] == place for gone in removed)
        ]
    return None if isinstance(settings, ValidationError) else settings, tuple(findings)


def _validated(values: Mapping[str, Any], folder: Path, *, look: bool) -> NodeSettings | ValidationError:
    try:
        return TypeAdapter(NodeSettings).validate_python(values, context={"folder": folder, "look": look})
    except ValidationError as error:
        return error


def _remove(values: Any, place: Location) -> None:
    """Remove what stands at `place`; in a list nothing is removed, since that would move what follows."""
    for step in place[:-1]:
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(values, dict):
        values.pop(place[-1], None)


def _invalid(findings: Iterable[Finding]) -> ConfigurationError:
    ordered = tuple(sorted(findings, key=lambda one: (one.line or 0, one.key)))
    return ConfigurationError("config.invalid", findings=ordered)


def _toml_finding(file: str, message: str) -> Finding:
    at = _AT_LINE.search(message)
    problem = _AT_LINE.sub("", message).strip().rstrip(".")
    line = int(at[1]) if at else None
    return Finding(file=file, line=line, problem=f"is not TOML: {problem}", fix="Correct the line")


def _key(place: Location) -> str:
    return "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")


def _finding(file: str, lines: Mapping[Location, int], detail: ErrorDetails) -> Finding:
    place = _place(detail)
    problem, fix = _explain(detail, detail["loc"])
    return Finding(file=file, line=line_at(lines, place), key=_key(place), problem=problem, fix=fix)


def _place(detail: ErrorDetails) -> Location:
    """Return where in the file a problem is: pydantic names a back end's kind as if it were one more table."""
    steps = detail["loc"]
    if detail["type"] == "union_tag_invalid":
        return (*steps, "kind")
    return tuple(step for step, before in zip(steps, ("", *steps), strict=False) if not _is_kind(before, step))


def _is_kind(before: object, step: object) -> bool:
    return before == "backend" and step in BACKEND_KINDS


def _explain(detail: ErrorDetails, place: Location) -> tuple[str, str]:
    context: Mapping[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case kind if kind == WRONG:
            return str(context["problem"]), str(context["fix"])
        case "missing":
            return "is missing", f"Add `{place[-1]}`; {_EXAMPLE}"
        case "unexpected_keyword_argument":
            known = _known_keys(place[:-1])
            near = nearest(str(place[-1]), known)
            return "is not a key", f"Did you mean `{near}`?" if near else f"Use one of {', '.join(sorted(known))}"
        case "enum" | "literal_error":
            return "is not one of the words possible here", f"Write {context['expected']}"
        case "union_tag_invalid":
            return "is not one of the words possible here", f"Write {context['expected_tags']}"
        case "union_tag_not_found":
            return _WORDS["dataclass_type"]
        case "greater_than_equal":
            return "is too small", f"Write at least {context['ge']}"
        case "less_than_equal":
            return "is too large", f"Write at most {context['le']}"
        case kind:
            return _WORDS.get(kind, ("is wrong", f"Correct it; {_EXAMPLE}"))


def _known_keys(place: Location) -> tuple[str, ...]:
    """Return the keys of the table at `place`."""
    kind: Any = NodeSettings
    for before, step in zip(("", *place), place, strict=False):
        if isinstance(step, str) and _is_kind(before, step):
            kind = BACKEND_KINDS[step]
        elif isinstance(step, str):
            kind = _table_type(typing.get_type_hints(kind).get(step))
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()


def _table_type(hint: Any) -> Any:
    """Return the dataclass inside `X`, `X | None` or `tuple[X, ...]`."""
    candidates = (hint, *typing.get_args(hint))
    return next((one for one in candidates if isinstance(one, type) and dataclasses.is_dataclass(one)), hint)


# ── the values against each other ────────────────────────────────────────────────────────────────────────────────

_Disagreement = tuple[Location, str, str]


def _disagreements(settings: NodeSettings) -> Iterator[_Disagreement]:
    yield from _check_listeners(settings)
    yield from _check_ids(settings)
    yield from _check_parties(settings)
    yield from _check_clients(settings)
    yield from _check_times(settings)
    if settings.at_rest is None and not settings.insecure_plain_at_rest:
        yield ("at_rest",), "is missing", "Add [at_rest] with `key`; `gateway pki init` makes the file"


def _check_listeners(settings: NodeSettings) -> Iterator[_Disagreement]:
    doors = settings.listeners
    for name in ("submission", "operations"):
        door: Listener = getattr(doors, name)
        if door.tls is None and not is_loopback(door.host):
            problem = "listens beyond this machine without TLS"
            yield ("listeners", name), problem, 'Add `tls = { key = "…", certificate = "…" }`, or listen on 127.0.0.1'
    if doors.partner.tls is None:
        yield ("listeners", "partner"), "has no TLS", 'Add `tls = { key = "…", certificate = "…" }`; partners need it'
    seen: dict[tuple[str, int], str] = {}
    for name in ("submission", "partner", "operations"):
        door = getattr(doors, name)
        first = seen.setdefault((door.host, door.port), name) if door.port else name
        if first != name:
            yield ("listeners", name, "port"), f"is also the port of listeners.{first}", "Give each listener its own"


def _check_ids(settings: NodeSettings) -> Iterator[_Disagreement]:
    for table in ("parties", "partners", "clients"):
        ids = [one.id for one in getattr(settings, table)]
        for index, one in enumerate(ids):
            if one in ids[:index]:
                yield (table, index, "id"), "is the id of an earlier entry too", "Give each id once"
    ours = {party.id for party in settings.parties}
    for index, partner in enumerate(settings.partners):
        if partner.id in ours:
            yield ("partners", index, "id"), "is a party of this node", "List it in [[parties]] or here, not both"
    uris = Counter(partner.san_uri for partner in settings.partners)
    for index, partner in enumerate(settings.partners):
        if partner.san_uri and uris[partner.san_uri] > 1:
            place = ("partners", index, "san_uri")
            yield place, "names more than one partner", "Give each partner the name in its own certificate"
    pins = Counter(pin for partner in settings.partners for pin in set(partner.pins))
    for index, partner in enumerate(settings.partners):
        if any(pins[pin] > 1 for pin in partner.pins):
            yield ("partners", index, "pins"), "holds a pin of another partner", "Pin each certificate to one partner"


def _check_parties(settings: NodeSettings) -> Iterator[_Disagreement]:
    if not settings.parties:
        yield ("parties",), "is empty", "Add the party this node speaks for as [[parties]]"
    for index, party in enumerate(settings.parties):
        if not party.signing:
            yield ("parties", index, "signing"), "is empty", "Add the key and certificate of a signing key"
        if not party.decryption:
            yield ("parties", index, "decryption"), "is empty", "Add the key and certificate of a decryption key"
    yield from _check_folders(settings)


def _check_folders(settings: NodeSettings) -> Iterator[_Disagreement]:
    folders = {
        index: party.backend.path.resolve()
        for index, party in enumerate(settings.parties)
        if isinstance(party.backend, DropFolder)
    }
    data = settings.data_dir.resolve()
    for index, folder in folders.items():
        place = ("parties", index, "backend", "path")
        if list(folders.values()).index(folder) != list(folders).index(index):
            yield place, "is the folder of another party too", "Give each back end a folder of its own"
        if folder == data or data in folder.parents or folder in data.parents:
            yield place, "holds the database, or lies beside it in data_dir", "Name a folder apart from data_dir"


def _check_clients(settings: NodeSettings) -> Iterator[_Disagreement]:
    ours = {party.id for party in settings.parties}
    for index, client in enumerate(settings.clients):
        if not client.roles:
            yield ("clients", index, "roles"), "is empty", f"Give it a role: {', '.join(Role)}"
        if foreign := sorted(client.parties - ours):
            place = ("clients", index, "parties")
            yield place, f"names {', '.join(foreign)}, no party of this node", "Name parties listed in [[parties]]"
        if client.roles & {Role.SUBMITTER, Role.BACKEND} and not client.parties:
            yield ("clients", index, "parties"), "is empty", "Name the parties it may submit or receive for"
    fetching = {party for client in settings.clients if Role.BACKEND in client.roles for party in client.parties}
    for index, party in enumerate(settings.parties):
        if isinstance(party.backend, PullInbox) and party.id not in fetching:
            fix = f'Register one: [[clients]] with roles = ["backend"] and parties = ["{party.id}"]'
            yield ("parties", index, "backend", "kind"), "is pull, and no client may fetch for this party", fix


def _check_times(settings: NodeSettings) -> Iterator[_Disagreement]:
    """A lease that ends while its request is still under way would have the same work done twice, again and again."""
    waits: list[tuple[Location, timedelta]] = []
    for index, partner in enumerate(settings.partners):
        waits.append((("partners", index, "timeout"), partner.timeout))
    for index, party in enumerate(settings.parties):
        backend, place = party.backend, ("parties", index, "backend")
        if isinstance(backend, Webhook | DropFolder):
            waits.append(((*place, "timeout"), backend.timeout))
        if backend is not None and backend.first_wait > backend.cap:
            yield (*place, "first_wait"), "is longer than `cap`", "Write at most `cap`, or raise that"
    for where, wait in waits:
        if wait >= settings.timing.lease:
            fix = f"Write less than {settings.timing.lease.total_seconds():g}s, or raise timing.lease"
            yield where, "is not shorter than timing.lease", fix
