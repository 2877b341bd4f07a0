"""A schema set: pinned XSD files with an entry file, a release and one hash over all of them.

A set comes as a mapping from relative path to bytes and is checked as a whole before anything compiles: every file
that is referred to must be there, inside the set; no network reference, no DOCTYPE, no path that leaves the folder.
A missing file refuses the set, because libxml2 would skip the import and accept more than was agreed.

The hash (docs/schema-sets.md): SHA-256 over the line `entry NUL path LF` and then, sorted by path, one line
`path NUL hex(SHA-256 of the bytes) LF` for every file but `manifest.toml`. The entry file counts because the same files
entered elsewhere give other verdicts.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from gateway.domain.ids import SchemaSetId, is_name
from gateway.domain.message import MessageKind
from gateway.errors import SchemaError
from gateway.schema.facts.privacy_file import PrivacyFile
from gateway.schema.files.closure import XSD, check_files

__all__ = [
    "MANIFEST",
    "XSD",
    "SchemaSet",
    "assemble_set",
    "check_files",
    "check_id",
    "check_set_valid",
    "load_set",
    "manifest_text",
    "set_sha256",
]

MANIFEST: Final = "manifest.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaSet:
    """The facts of one set. `roots`: qualified names a document may start with. `sha256`: lower-case hex.

    It may be sent under from `valid_from` up to, not including, `valid_until`; None: without bound. `generated`: files
    that the gateway wrote when the set was added. `notes`: what a person should know about how it was put together.
    `privacy`: the files that class its leaves, the first counts most. They lie beside the set and are no part of it.
    """

    id: SchemaSetId
    release: str
    title: str
    entry: str
    kinds: tuple[MessageKind, ...]
    roots: tuple[str, ...]
    namespaces: tuple[str, ...]
    sha256: str
    files: Mapping[str, bytes] = field(repr=False)
    valid_from: date | None = None
    valid_until: date | None = None
    generated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    privacy: tuple[PrivacyFile, ...] = field(default=(), repr=False, compare=False)


def load_set(files: Mapping[str, bytes]) -> SchemaSet:
    """Return the set in `files`, its `manifest.toml` included.

    Raises SchemaError `schema.set_broken`, or `schema.hash_mismatch` when the manifest names another hash.
    """
    if MANIFEST not in files:
        raise SchemaError("schema.set_broken", f"the set has no {MANIFEST}")
    try:
        manifest = tomllib.loads(files[MANIFEST].decode("utf-8"))
    except ValueError as error:
        raise SchemaError("schema.set_broken", f"{MANIFEST} can not be read: {error}") from None
    loaded = assemble_set(
        {path: content for path, content in files.items() if path != MANIFEST},
        set_id=_text(manifest, "id"),
        release=_text(manifest, "release"),
        title=_text(manifest, "title"),
        entry=_text(manifest, "entry"),
        kinds=_texts(manifest, "kinds", empty=True),
        roots=_texts(manifest, "roots"),
        namespaces=_texts(manifest, "namespaces", empty=True),
        valid_from=_day(manifest, "valid_from"),
        valid_until=_day(manifest, "valid_until"),
    )
    if loaded.sha256 != _text(manifest, "hash"):
        raise SchemaError("schema.hash_mismatch", f"The files of {loaded.id} are not those its manifest was made for")
    generated, notes = (_texts(manifest, key, empty=True) if key in manifest else () for key in ("generated", "notes"))
    return replace(loaded, generated=generated, notes=notes)


def assemble_set(
    files: Mapping[str, bytes],
    *,
    set_id: str,
    release: str,
    title: str,
    entry: str,
    kinds: Iterable[str],
    roots: Iterable[str],
    namespaces: Iterable[str],
    valid_from: date | None = None,
    valid_until: date | None = None,
) -> SchemaSet:
    """Return a set from its files and facts, with its hash. Raises SchemaError `schema.set_broken`."""
    check_id(set_id)
    unknown = [kind for kind in kinds if kind not in frozenset(MessageKind)]
    if unknown:
        raise SchemaError("schema.set_broken", f"{unknown[0]} is not a message kind; they are {', '.join(MessageKind)}")
    if valid_from is not None and valid_until is not None and not valid_from < valid_until:
        raise SchemaError("schema.set_broken", "the end of the set's validity is not after its start")
    check_files(files, entry)
    return SchemaSet(
        id=SchemaSetId(set_id),
        release=release,
        title=title,
        entry=entry,
        kinds=tuple(MessageKind(kind) for kind in kinds),
        roots=tuple(roots),
        namespaces=tuple(namespaces),
        sha256=set_sha256(files, entry),
        files=dict(files),
        valid_from=valid_from,
        valid_until=valid_until,
    )


def check_id(set_id: str) -> None:
    """Raise SchemaError `schema.set_broken` unless `set_id` can name a set."""
    if not is_name(set_id):
        problem = "a set's id is lower-case letters, digits, dots and hyphens, of at most 64 characters"
        raise SchemaError("schema.set_broken", problem)


def set_sha256(files: Mapping[str, bytes], entry: str) -> str:
    """Return the hash of a set, as the head of this file defines it."""
    lines = [f"entry\0{entry}\n"]
    lines += [f"{path}\0{hashlib.sha256(files[path]).hexdigest()}\n" for path in sorted(files) if path != MANIFEST]
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def check_set_valid(schema_set: SchemaSet, today: date) -> None:
    """Raise SchemaError `schema.set_not_valid` outside the days between which the set may be sent under."""
    start, end = schema_set.valid_from, schema_set.valid_until
    if (start is not None and today < start) or (end is not None and today >= end):
        since = f" from {start}" if start is not None else ""
        until = f" until {end}" if end is not None else ""
        raise SchemaError(
            "schema.set_not_valid",
            f"{schema_set.id} may be used{since}{until}; send under the agreement for the release that is valid now",
            facts={"schema_set": schema_set.id},
        )


def manifest_text(schema_set: SchemaSet) -> str:
    """Return the manifest of a set, as `load_set` reads it."""
    texts = {"id": schema_set.id, "release": schema_set.release, "title": schema_set.title, "entry": schema_set.entry}
    days = {"valid_from": schema_set.valid_from, "valid_until": schema_set.valid_until}
    lists = {"kinds": schema_set.kinds, "roots": schema_set.roots, "namespaces": schema_set.namespaces}
    told = {"generated": schema_set.generated, "notes": schema_set.notes}
    lines = ["# Written by `gateway schema add`."]
    lines += [f"{key} = {_quoted(text)}" for key, text in texts.items()]
    lines += [f"{key} = {day.isoformat()}" for key, day in days.items() if day is not None]
    for key, words in {**lists, **{key: words for key, words in told.items() if words}}.items():
        lines += [f"{key} = [", *(f"    {_quoted(str(word))}," for word in words), "]"]
    return "\n".join([*lines, f"hash = {_quoted(schema_set.sha256)}", ""])


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are a part of TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _text(manifest: Mapping[str, Any], key: str) -> str:
    value = manifest.get(key)
    if not isinstance(value, str) or not value:
        raise SchemaError("schema.set_broken", f"{MANIFEST} must give `{key}` as a text")
    return value


def _texts(manifest: Mapping[str, Any], key: str, *, empty: bool = False) -> tuple[str, ...]:
    value = manifest.get(key)
    if not isinstance(value, list) or not (value or empty) or not all(isinstance(word, str) for word in value):
        raise SchemaError("schema.set_broken", f"{MANIFEST} must give `{key}` as a list of texts")
    return tuple(value)


def _day(manifest: Mapping[str, Any], key: str) -> date | None:
    value = manifest.get(key)
    if value is not None and type(value) is not date:
        raise SchemaError("schema.set_broken", f"{MANIFEST} must give `{key}` as a day, such as 2026-01-31")
    return value
