"""The samples as their manifest tells of them: wco_schemas/samples/samples.toml."""

import tomllib
from dataclasses import dataclass
from typing import Any, Final

from gateway.bundled import schema_folder
from gateway.domain.ids import PartyId
from gateway.domain.message import MessageKind

FOLDER: Final = schema_folder() / "samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One valid sample. `kept`, `withheld`, `stays`, `arrives`: under the example agreement gb-fr."""

    file: str
    kind: MessageKind
    sender: PartyId
    recipient: PartyId
    answers: str | None
    kept: int
    withheld: int
    stays: tuple[str, ...]
    arrives: tuple[str, ...]

    @property
    def raw(self) -> bytes:
        return (FOLDER / self.file).read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One submission that must be refused. `violation`: one that is named, or empty if no set is asked."""

    why: str
    file: str
    sender: PartyId
    recipient: PartyId
    agreements: tuple[str, ...]
    code: str
    violation: str

    @property
    def raw(self) -> bytes:
        return (FOLDER / self.file).read_bytes()


def _manifest() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "samples.toml").read_text(encoding="utf-8"))


def _sample(entry: dict[str, Any]) -> Sample:
    return Sample(
        file=entry["file"],
        kind=MessageKind(entry["kind"]),
        sender=PartyId(entry["from"]),
        recipient=PartyId(entry["to"]),
        answers=entry.get("answers"),
        kept=entry["kept"],
        withheld=entry["withheld"],
        stays=tuple(entry.get("stays", ())),
        arrives=tuple(entry["arrives"]),
    )


def _refused(entry: dict[str, Any]) -> Refused:
    return Refused(
        why=entry["why"],
        file=entry["file"],
        sender=PartyId(entry["from"]),
        recipient=PartyId(entry["to"]),
        agreements=tuple(entry["agreements"]),
        code=entry["code"],
        violation=entry.get("violation", ""),
    )


ENTRIES: Final = _manifest()
SAMPLES: Final = tuple(_sample(one) for one in ENTRIES["sample"])
BY_FILE: Final = {one.file: one for one in SAMPLES}
CONVERSATION: Final = tuple(BY_FILE[file] for file in ENTRIES["conversation"]["files"])
REFUSED: Final = tuple(_refused(one) for one in ENTRIES["refused"])
