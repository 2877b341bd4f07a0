"""Reads the schema catalogue: a folder with one sub-folder per set, each with its manifest."""

from collections.abc import Mapping
from pathlib import Path

from gateway.domain.ids import SchemaSetId
from gateway.errors import ConfigurationError, Finding, SchemaError
from gateway.schema import SchemaSet, load_set

__all__ = ["Catalogue", "load_catalogue", "read_folder"]

Catalogue = Mapping[SchemaSetId, SchemaSet]

_MANIFEST = "manifest.toml"
# A set of XSD files is a megabyte at most; more is not a schema set.
_MOST_FILES, _MOST_BYTES = 2000, 64 * 1024 * 1024


def load_catalogue(folder: Path) -> Catalogue:
    """Return every set below `folder`, by id. Raises ConfigurationError `config.invalid` with every broken set."""
    sets: dict[SchemaSetId, SchemaSet] = {}
    findings: list[Finding] = []
    for manifest in sorted(folder.glob(f"*/{_MANIFEST}")):
        try:
            loaded = load_set(read_folder(manifest.parent))
        except (SchemaError, OSError) as error:
            problem = error.detail if isinstance(error, SchemaError) else "holds a file that can not be read"
            findings.append(Finding(file=str(manifest), problem=problem, fix="Add the set anew: gateway schema add"))
            continue
        if loaded.id in sets:
            problem = f"is the second set with the id {loaded.id}"
            findings.append(Finding(file=str(manifest), key="id", problem=problem, fix="Give each set its own id"))
        sets[loaded.id] = loaded
    if not sets and not findings:
        problem = "holds no schema set"
        findings.append(Finding(file=str(folder), problem=problem, fix="Name the folder above the sets' folders"))
    if findings:
        raise ConfigurationError("config.invalid", findings=tuple(findings))
    return sets


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
