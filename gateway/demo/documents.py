"""What the demo sends: every bundled sample, with what is known of it beforehand; and what must be refused.

All of it stands in `wco_schemas/samples/samples.toml`, written down and not computed while the demo runs, so that the
checks can hold the gateway against it.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.bundled import schema_folder
from gateway.domain.ids import PartyId
from gateway.domain.message import MessageKind

AGREEMENT: Final = "gb-fr"
"""The example agreement that the demo runs under, and that the figures in the manifest are about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample. `answers`: the name of the one it answers; `kept`, `withheld`: leaves and attributes with content.

    `stays`: words of it that must not reach the partner; `arrives`: values of it that must.
    """

    file: Path
    kind: MessageKind
    sender: PartyId
    recipient: PartyId
    answers: str | None = None
    kept: int
    withheld: int
    stays: tuple[str, ...] = ()
    arrives: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its file name without the ending."""
        return self.file.stem

    @property
    def raw(self) -> bytes:
        """Its bytes, as a national system would hand them in."""
        return self.file.read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class MustRefuse:
    """One submission that must be refused, `why`, with which `code`; `violation`: one that must be named, or empty."""

    why: str
    file: Path
    sender: PartyId
    recipient: PartyId
    code: str
    violation: str = ""

    @property
    def name(self) -> str:
        """Its file name without the ending."""
        return self.file.stem

    @property
    def raw(self) -> bytes:
        """Its bytes."""
        return self.file.read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """Everything that is submitted. `conversation`: names of documents that must arrive in this order, both ways."""

    documents: tuple[Sample, ...]
    conversation: tuple[str, ...]
    refusals: tuple[MustRefuse, ...]

    def named(self, name: str) -> Sample:
        """Return the document of this name."""
        return next(one for one in self.documents if one.name == name)


def load_programme(folder: Path | None = None) -> Programme:
    """Return what the manifest in `folder` says; None takes the bundled samples.

    Of the refusals, the first for each reason that can be had under the demo's agreement.
    """
    samples = folder or schema_folder() / "samples"
    manifest = tomllib.loads((samples / "samples.toml").read_text(encoding="utf-8"))
    refusals: dict[str, MustRefuse] = {}
    for entry in manifest["refused"]:
        if entry["agreements"] == [AGREEMENT]:
            refusals.setdefault(entry["why"], _refusal(samples, entry))
    return Programme(
        documents=tuple(_document(samples, entry) for entry in manifest["sample"]),
        conversation=tuple(Path(file).stem for file in manifest["conversation"]["files"]),
        refusals=tuple(refusals.values()),
    )


def _document(folder: Path, entry: Mapping[str, Any]) -> Sample:
    answers = entry.get("answers")
    return Sample(
        file=folder / entry["file"],
        kind=MessageKind(entry["kind"]),
        sender=PartyId(entry["from"]),
        recipient=PartyId(entry["to"]),
        answers=None if answers is None else Path(answers).stem,
        kept=entry["kept"],
        withheld=entry["withheld"],
        stays=tuple(entry.get("stays", ())),
        arrives=tuple(entry.get("arrives", ())),
    )


def _refusal(folder: Path, entry: Mapping[str, Any]) -> MustRefuse:
    return MustRefuse(
        why=entry["why"],
        file=folder / entry["file"],
        sender=PartyId(entry["from"]),
        recipient=PartyId(entry["to"]),
        code=entry["code"],
        violation=entry.get("violation", ""),
    )
