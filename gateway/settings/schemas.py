"""Reads the schema catalogue, a folder with one sub-folder per set, each with its manifest; and adds sets to one.

A set appears whole or not at all: it is written beside its place, flushed to the disk, and renamed.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gateway.domain.ids import SchemaSetId
from gateway.errors import ConfigurationError, Finding, SchemaError
from gateway.schema import SchemaSet, load_set, manifest_text
from gateway.settings.privacy import with_privacy

__all__ = ["Catalogue", "load_catalogue", "load_catalogues", "read_folder", "store_set"]

Catalogue = Mapping[SchemaSetId, SchemaSet]

_MANIFEST = "manifest.toml"
# A set of XSD files is some megabytes at most; more is not a schema set.
_MOST_FILES, _MOST_BYTES = 2002, 65 * 1024 * 1024
_UNFINISHED = ".unfinished-"
_BESIDE = ("code_lists", "rules")


def load_catalogue(folder: Path) -> Catalogue:
    """Return every set below `folder`, by id, with the privacy files that speak for it.

    Raises ConfigurationError `config.invalid` with every broken set.
    """
    sets, findings = _read(folder)
    if not sets and not findings:
        problem = "holds no schema set"
        findings.append(Finding(file=str(folder), problem=problem, fix="Name the folder above the sets' folders"))
    if findings:
        raise ConfigurationError("config.invalid", findings=tuple(findings))
    return with_privacy(sets, folder)


def load_catalogues(bundled: Path, own: Path | None) -> Catalogue:
    """Return the bundled sets and those below `own`. Raises ConfigurationError `config.invalid`.

    An own set may not take the id of a bundled one, unless it is the very same: nobody could say which was meant. The
    folder may hold no set at all when it holds rules or code lists of its own.
    """
    sets = dict(load_catalogue(bundled))
    if own is None or (any((own / name).is_dir() for name in _BESIDE) and not any(own.glob(f"*/{_MANIFEST}"))):
        return sets
    findings: list[Finding] = []
    for set_id, one in load_catalogue(own).items():
        if sets.setdefault(set_id, one).sha256 != one.sha256:
            file, problem = str(own / set_id), f"has the id of the bundled set {set_id}, with other content"
            findings.append(Finding(file=file, key="id", problem=problem, fix="Add it under another id"))
    if findings:
        raise ConfigurationError("config.invalid", findings=tuple(findings))
    return sets


def store_set(folder: Path, schema_set: SchemaSet) -> bool:
    """Write a set below `folder`, which is made when absent. Return False when this very set is there already.

    Raises SchemaError `schema.id_taken` when another is there under its id, and OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / schema_set.id
    if place.exists():
        _check_same(place, schema_set)
        return False
    waiting = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
    try:
        waiting.chmod(0o755)
        _write(waiting, {**schema_set.files, _MANIFEST: manifest_text(schema_set).encode("utf-8")})
        try:
            waiting.rename(place)
        except OSError:
            if not place.exists():
                raise
            _check_same(place, schema_set)  # somebody added it meanwhile
            return False
        _flush(folder)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
    return True


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return path → bytes of every file in `folder`: all count in the set's hash. Raises OSError, SchemaError."""
    files: dict[str, bytes] = {}
    size = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        size += path.stat().st_size
        if len(files) >= _MOST_FILES or size > _MOST_BYTES:
            raise SchemaError("schema.set_broken", "the folder holds more than a schema set can have")
        files[path.relative_to(folder).as_posix()] = path.read_bytes()
    return files


def _read(folder: Path) -> tuple[dict[SchemaSetId, SchemaSet], list[Finding]]:
    sets: dict[SchemaSetId, SchemaSet] = {}
    findings: list[Finding] = []
    for manifest in sorted(folder.glob(f"*/{_MANIFEST}")):
        if manifest.parent.name.startswith(_UNFINISHED):
            continue  # left by an `add` that was killed
        try:
            loaded = load_set(read_folder(manifest.parent))
        except (SchemaError, OSError) as error:
            problem = error.detail if isinstance(error, SchemaError) else "holds a file that can not be read"
            fix = "Remove this folder, then add the set anew: gateway schema add"
            findings.append(Finding(file=str(manifest), problem=problem, fix=fix))
            continue
        if loaded.id in sets:
            problem = f"is the second set with the id {loaded.id}"
            findings.append(Finding(file=str(manifest), key="id", problem=problem, fix="Give each set its own id"))
        sets[loaded.id] = loaded
    return sets, findings


def _check_same(place: Path, wanted: SchemaSet) -> None:
    """Raise SchemaError `schema.id_taken` unless `wanted` is what stands at `place`."""
    try:
        there = load_set(read_folder(place))
    except (SchemaError, OSError):
        problem = f"{place} is there and is no sound schema set; remove that folder, then add again"
        raise SchemaError("schema.id_taken", problem, facts={"schema_set": wanted.id}) from None
    if there == wanted:
        return
    if there.sha256 != wanted.sha256:
        problem = f"{wanted.id} is in the catalogue with other files; a set never changes: give this one another --id"
    else:
        problem = (
            f"{wanted.id} is in the catalogue with the same files, but with another release, title, kinds or dates; "
            f"say them as they are there, or remove {place} first"
        )
    raise SchemaError("schema.id_taken", problem, facts={"schema_set": wanted.id})


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    for inner in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        _flush(inner)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
