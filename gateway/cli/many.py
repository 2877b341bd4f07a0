"""Acts on many transfers by query: requeue, release. What `gateway transfer` does when it is given no id."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.cli.output import print_json, say
from gateway.cli.target import Target, calling, operations
from gateway.domain.hold import HeldCount, HeldQuery
from gateway.domain.ids import PartyId, TransferId

if TYPE_CHECKING:
    from gateway.client import ReleasedMany, RequeuedMany

__all__ = ["count_held", "release_many", "requeue_many"]

Refused = Sequence[tuple[TransferId, str, str]]


def requeue_many(
    target: Target,
    *,
    reason: str,
    recipient: PartyId | None,
    code: str | None,
    since: datetime | None,
    limit: int,
    after: TransferId | None,
    as_json: bool,
) -> None:
    """Have dead letters sent again, and tell what came of it."""

    async def work() -> "RequeuedMany":
        async with operations(target) as client:
            return await client.requeue_many(
                reason=reason, recipient=recipient, code=code, since=since, limit=limit, after=after
            )

    done = calling(work, as_json=as_json)
    if as_json:
        members = {"requeued": len(done.requeued), "transfers": list(done.requeued)}
        print_json({**members, "refused": _json_of(done.refused), "next": done.following})
        return
    say(f"{len(done.requeued)} requeued, {len(done.refused)} left as they are")
    _say_refused(done.refused)
    if done.following is not None:
        say(f"More: --after {done.following}")


def count_held(target: Target, query: HeldQuery, *, as_json: bool) -> None:
    """Tell how many held transfers fit, and release none."""

    async def work() -> HeldCount:
        async with operations(target) as client:
            return await client.count_held(query)

    found = calling(work, as_json=as_json)
    if as_json:
        print_json({"count": found.fit, "own": found.own, "approved": found.approved, "up_to": found.up_to})
        return
    say(f"Held transfers that fit: {found.fit}. None is released")
    if found.own:
        say(f"You handed in {found.own} of them: another officer releases those")
    if found.approved:
        say(f"You have approved {found.approved} of them: they wait for another officer")
    if found.fit:
        say(f"To release them: --up-to {found.up_to}")


def release_many(target: Target, query: HeldQuery, *, reason: str, up_to: int, limit: int, as_json: bool) -> None:
    """Have held transfers go, and tell what came of it."""

    async def work() -> "ReleasedMany":
        async with operations(target) as client:
            return await client.release_many(query, reason=reason, up_to=up_to, limit=limit)

    done = calling(work, as_json=as_json)
    if as_json:
        members = {"released": len(done.released), "transfers": list(done.released), "approved": list(done.approved)}
        print_json({**members, "refused": _json_of(done.refused), "next": done.following})
        return
    say(f"{len(done.released)} released, {len(done.approved)} approved, {len(done.refused)} left as they are")
    if done.approved:
        say("What is approved waits for another officer")
    _say_refused(done.refused)
    if done.following is not None:
        say(f"More: --after {done.following} --up-to {up_to}")


def _say_refused(refused: Refused) -> None:
    for one, why, detail in refused:
        say(f"{one} {why} {detail}".rstrip())


def _json_of(refused: Refused) -> list[dict[str, str]]:
    return [{"id": one, "code": why, "detail": detail} for one, why, detail in refused]
