"""What the operations API tells of acts on transfers, as frozen values; and reading it from JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.domain.ids import MessageId, TransferId

__all__ = ["RequeuedMany", "SupersededMessage", "read_requeued", "read_superseded"]

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupersededMessage:
    """An earlier message of a transfer, and when another took its place."""

    message_id: MessageId
    digest: str
    ever_sent: bool
    superseded: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequeuedMany:
    """What a requeue of many did. `refused`: id, code and why; `following`: give it as `after` to go on."""

    requeued: tuple[TransferId, ...]
    refused: tuple[tuple[TransferId, str, str], ...]
    following: TransferId | None


def read_requeued(value: Json) -> RequeuedMany:
    """Return what a requeue of many did. Raises KeyError or TypeError for another shape."""
    return RequeuedMany(
        requeued=tuple(map(TransferId, value["transfers"])),
        refused=tuple((TransferId(one["id"]), one["code"], one["detail"]) for one in value["refused"]),
        following=None if value["next"] is None else TransferId(value["next"]),
    )


def read_superseded(value: Json) -> SupersededMessage:
    """Return one of the earlier messages of a transfer. Raises KeyError, ValueError or TypeError for another shape."""
    return SupersededMessage(
        message_id=MessageId(value["message_id"]),
        digest=value["digest"],
        ever_sent=value["ever_sent"],
        superseded=datetime.fromisoformat(value["superseded"]),
    )
