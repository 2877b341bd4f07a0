"""Reads privacy files and gives them to the schema sets they speak for.

They lie in `privacy/` beside the sets' folders, never in a set's own folder: they may change without the set becoming
another. A folder of other sets is helped by the bundled files, whose classes by WCO id then count as guesses.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from gateway.bundled import schema_folder
from gateway.domain.ids import SchemaSetId
from gateway.errors import ConfigurationError, Finding
from gateway.schema import PrivacyFile, SchemaSet, parse_privacy
from gateway.settings.plain import plain_bytes

__all__ = ["override_all", "override_privacy", "with_privacy"]

_FOLDER: Final = "privacy"
_MOST_BYTES: Final = 4 * 1024 * 1024


def with_privacy(sets: Mapping[SchemaSetId, SchemaSet], folder: Path) -> dict[SchemaSetId, SchemaSet]:
    """Return the sets with the privacy files of `folder` and the bundled ones.

    Raises ConfigurationError `config.invalid` with every file that can not be used.
    """
    files: list[PrivacyFile] = []
    findings: list[Finding] = []
    for place in dict.fromkeys([folder.resolve(), schema_folder().resolve()]):
        for path in sorted((place / _FOLDER).glob("*.toml")):
            try:
                files.append(_read(path))
            except ConfigurationError as error:
                findings += error.findings
    if findings:
        raise ConfigurationError("config.invalid", findings=tuple(findings))
    return {set_id: replace(one, privacy=_in_order(files, set_id)) for set_id, one in sets.items()}


def override_privacy(schema_set: SchemaSet, path: Path) -> SchemaSet:
    """Return the set with the differences in the file at `path` before all others.

    Raises ConfigurationError `config.invalid`. What the file names is checked when the set's tree is read.
    """
    file = _read(path)
    if file.sets and schema_set.id not in file.sets:
        problem = f"is for {', '.join(file.sets)}, not for {schema_set.id}"
        finding = Finding(file=str(path), key="sets", problem=problem, fix="Leave `sets` out, or name the set")
        raise ConfigurationError("config.invalid", findings=(finding,))
    return replace(schema_set, privacy=(replace(file, sets=(schema_set.id,)), *schema_set.privacy))


def override_all(
    sets: Mapping[SchemaSetId, SchemaSet], files: Mapping[str, Path], *, node_file: str
) -> tuple[dict[SchemaSetId, SchemaSet], tuple[Finding, ...]]:
    """Return the sets, each with the file that a node's settings give for it, and what is wrong with any of them."""
    made, findings = dict(sets), list[Finding]()
    for name, path in files.items():
        set_id = SchemaSetId(name)
        if set_id not in sets:
            problem, fix = f"names {name}, which is no schema set here", f"Name one of {', '.join(sorted(sets))}"
            findings.append(Finding(file=node_file, key=f"privacy.{name}", problem=problem, fix=fix))
            continue
        try:
            made[set_id] = override_privacy(sets[set_id], path)
        except ConfigurationError as error:
            findings += error.findings
    return made, tuple(findings)


def _read(path: Path) -> PrivacyFile:
    try:
        raw = plain_bytes(path, _MOST_BYTES + 1)
    except OSError as error:
        problem, fix = f"can not be read: {error.strerror}", "Make it readable, or name another file"
        raise ConfigurationError(
            "config.invalid", findings=(Finding(file=str(path), problem=problem, fix=fix),)
        ) from None
    if len(raw) > _MOST_BYTES:
        finding = Finding(file=str(path), problem="is larger than a privacy file can be", fix="Name another file")
        raise ConfigurationError("config.invalid", findings=(finding,))
    return parse_privacy(raw, file=str(path))


def _in_order(files: list[PrivacyFile], set_id: SchemaSetId) -> tuple[PrivacyFile, ...]:
    """Files reviewed for the set first, those of other sets after them."""
    return tuple(sorted(files, key=lambda one: set_id not in one.sets))
