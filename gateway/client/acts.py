"""What the operations API tells of acts on transfers, as frozen values; and reading it from JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.domain.hold import HeldCount
from gateway.domain.ids import MessageId, TransferId

__all__ = [
    "ReleasedMany",
    "RequeuedMany",
    "SupersededMessage",
    "read_held_count",
    "read_released",
    "read_requeued",
    "read_superseded",
]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedMany:
    """What a release of many did. `approved`: those that wait for another officer; the others as `RequeuedMany`."""

    released: tuple[TransferId, ...]
    approved: tuple[TransferId, ...]
    refused: tuple[tuple[TransferId, str, str], ...]
    following: TransferId | None


def read_released(value: Json) -> ReleasedMany:
    """Return what a release of many did. Raises KeyError or TypeError for another shape."""
    return ReleasedMany(
        released=tuple(map(TransferId, value["transfers"])),
        approved=tuple(map(TransferId, value["approved"])),
        refused=_refused(value),
        following=_following(value),
    )


def read_held_count(value: Json) -> HeldCount:
    """Return how many held transfers fit. Raises KeyError for another shape."""
    return HeldCount(fit=value["count"], own=value["own"], approved=value["approved"], up_to=value["up_to"])


def read_requeued(value: Json) -> RequeuedMany:
    """Return what a requeue of many did. Raises KeyError or TypeError for another shape."""
    return RequeuedMany(
        requeued=tuple(map(TransferId, value["transfers"])),
        refused=_refused(value),
        following=_following(value),
    )


def _refused(value: Json) -> tuple[tuple[TransferId, str, str], ...]:
    return tuple((TransferId(one["id"]), one["code"], one["detail"]) for one in value["refused"])


def _following(value: Json) -> TransferId | None:
    return None if value["next"] is None else TransferId(value["next"])


def read_superseded(value: Json) -> SupersededMessage:
    """Return one of the earlier messages of a transfer. Raises KeyError, ValueError or TypeError for another shape."""
    return SupersededMessage(
        message_id=MessageId(value["message_id"]),
        digest=value["digest"],
        ever_sent=value["ever_sent"],
        superseded=datetime.fromisoformat(value["superseded"]),
    )
