"""A schema set: pinned XSD files with an entry file, a release and one hash over all of them.

A set comes as a mapping from relative path to bytes and is checked as a whole before anything compiles: every file
that is referred to must be there, inside the set; no network reference, no DOCTYPE, no path that leaves the folder.
A missing file refuses the set, because libxml2 would skip the import and accept more than was agreed.

The hash (docs/schema-sets.md): SHA-256 over the line `entry NUL path LF` and then, sorted by path, one line
`path NUL hex(SHA-256 of the bytes) LF` for every file but `manifest.toml`. The entry file counts because the same files
entered elsewhere give other verdicts.
"""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lxml import etree

from gateway.document import locate, parse_schema
from gateway.domain.ids import SchemaSetId, is_name
from gateway.domain.message import MessageKind
from gateway.errors import SchemaError

MANIFEST: Final = "manifest.toml"
XSD: Final = "{http://www.w3.org/2001/XMLSchema}"
_REFERENCES: Final = (f"{XSD}include", f"{XSD}import", f"{XSD}redefine")


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaSet:
    """The facts of one set. `roots`: qualified names a document may start with. `sha256`: lower-case hex."""

    id: SchemaSetId
    release: str
    title: str
    entry: str
    kinds: tuple[MessageKind, ...]
    roots: tuple[str, ...]
    namespaces: tuple[str, ...]
    sha256: str
    files: Mapping[str, bytes] = field(repr=False)


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
        kinds=_texts(manifest, "kinds"),
        roots=_texts(manifest, "roots"),
        namespaces=_texts(manifest, "namespaces"),
    )
    if loaded.sha256 != _text(manifest, "hash"):
        raise SchemaError("schema.hash_mismatch", f"The files of {loaded.id} are not those its manifest was made for")
    return loaded


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
) -> SchemaSet:
    """Return a set from its files and facts, with its hash. Raises SchemaError `schema.set_broken`."""
    if not is_name(set_id):
        raise SchemaError("schema.set_broken", "a set's id is lower-case letters, digits, dots and hyphens")
    unknown = [kind for kind in kinds if kind not in frozenset(MessageKind)]
    if unknown:
        raise SchemaError("schema.set_broken", f"{unknown[0]} is not a message kind")
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
    )


def set_sha256(files: Mapping[str, bytes], entry: str) -> str:
    """Return the hash of a set, as the head of this file defines it."""
    lines = [f"entry\0{entry}\n"]
    lines += [f"{path}\0{hashlib.sha256(files[path]).hexdigest()}\n" for path in sorted(files) if path != MANIFEST]
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def check_files(files: Mapping[str, bytes], entry: str) -> dict[str, etree._Element]:
    """Return the schema element of every file that `entry` reaches, by path, in the order they are reached.

    Raises SchemaError `schema.set_broken` for anything missing, outside the set, or not a schema.
    """
    reached: dict[str, etree._Element] = {}
    waiting = [entry]
    while waiting:
        path = waiting.pop(0)
        if path in reached:
            continue
        root = parse_schema(files, path).getroot()
        if root.tag != f"{XSD}schema":
            raise SchemaError("schema.set_broken", f"{path} is not a schema")
        reached[path] = root
        for reference in root.iterchildren(*_REFERENCES):
            location = reference.get("schemaLocation")
            if location is None:
                continue
            target = locate(location, of=path)
            if target not in files:
                raise SchemaError("schema.set_broken", f"{path} refers to {target}, which the set does not have")
            waiting.append(target)
    return reached


def _text(manifest: Mapping[str, Any], key: str) -> str:
    value = manifest.get(key)
    if not isinstance(value, str) or not value:
        raise SchemaError("schema.set_broken", f"{MANIFEST} must give `{key}` as a text")
    return value


def _texts(manifest: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = manifest.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise SchemaError("schema.set_broken", f"{MANIFEST} must give `{key}` as a list of texts")
    return tuple(value)
