"""Texts that are or were in force: what came, what went, each with its record in the audit."""

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import bindparam, func, or_, select, update

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.wording import Followed, Wording, WordingKind
from gateway.storage.engine import Connection, Row, Transaction, insert_into
from gateway.storage.readers import Readers
from gateway.storage.values import micros, time_of
from gateway.storage.wording_tables import in_force, wording
from gateway.storage.writer import Writer

_EVENTS: Final = {
    (WordingKind.AGREEMENT, True): AuditEvent.AGREEMENT_IN_FORCE,
    (WordingKind.AGREEMENT, False): AuditEvent.AGREEMENT_WITHDRAWN,
    (WordingKind.POLICY, True): AuditEvent.POLICY_IN_FORCE,
    (WordingKind.POLICY, False): AuditEvent.POLICY_WITHDRAWN,
}
_BOTH = select(
    wording.c.kind,
    wording.c.id,
    wording.c.version,
    wording.c.sha256,
    wording.c.text_sha256,
    in_force.c.since,
    in_force.c.until,
    in_force.c.actor,
    in_force.c.reason,
).join_from(in_force, wording, wording.c.text_sha256 == in_force.c.text_sha256)
_HASHES = (wording.c.sha256, wording.c.text_sha256)
_CURRENT = _BOTH.where(in_force.c.until.is_(None))
_HISTORY = (
    _BOTH.where(
        or_(bindparam("of") == "", wording.c.id == bindparam("of")),
        or_(*(func.substr(one, 1, bindparam("long")) == bindparam("begins") for one in _HASHES)),
    )
    .order_by(in_force.c.since.desc(), wording.c.kind, wording.c.id, wording.c.version)
    .limit(bindparam("most"))
)
_END = (
    update(in_force)
    .where(in_force.c.text_sha256 == bindparam("of_text"), in_force.c.until.is_(None))
    .values(until=bindparam("now"))
)
_BEGIN = insert_into(in_force)
_KEEP = insert_into(wording)
_TEXT = select(wording).where(wording.c.text_sha256 == bindparam("text_sha256"))


class SqlWordingStore:
    """See `gateway.ports.WordingStore` for what each method promises."""

    _writer: Writer
    _readers: Readers

    async def put_in_force(
        self, wordings: Collection[Wording], *, actor: str, reason: str = "", now: datetime
    ) -> tuple[int, int]:
        """Note that these texts, and no others, are followed from now on."""
        return await self._writer.write(partial(put, wordings=wordings, actor=actor, reason=reason, now=now))

    async def history(self, *, of: str = "", begins: str = "", limit: int = 100) -> list[Followed]:
        asked = {"of": of, "begins": begins, "long": len(begins), "most": limit}
        return await self._readers.read(lambda ask: [_in_force(row) for row in ask.rows(_HISTORY, asked)])

    async def wording(self, text_sha256: str) -> Wording | None:
        return await self._readers.read(partial(read, text_sha256=text_sha256))


def put(
    transaction: Transaction, *, wordings: Collection[Wording], actor: str, reason: str, now: datetime
) -> tuple[int, int]:
    """Note what is followed from now on; see `ports.WordingStore.put_in_force`."""
    connection = transaction.connection
    before = {row["text_sha256"]: _in_force(row) for row in connection.rows(_CURRENT, {})}
    wanted = {one.text_sha256: one for one in wordings}
    gone = [one for text, one in before.items() if text not in wanted]
    come = [one for text, one in wanted.items() if text not in before]
    for past in gone:
        connection.run(_END, {"of_text": past.text_sha256, "now": micros(now)})
        transaction.record(_entry(past, came=False, actor=actor, reason=reason, now=now))
    for one in come:
        if read(connection, text_sha256=one.text_sha256) is None:
            connection.run(_KEEP, {**_named(one), "text_sha256": one.text_sha256, "text": one.text})
        began = {"text_sha256": one.text_sha256, "since": micros(now), "until": None, "actor": actor, "reason": reason}
        connection.run(_BEGIN, began)
        transaction.record(_entry(one, came=True, actor=actor, reason=reason, now=now))
    return len(come), len(gone)


def read(connection: Connection, *, text_sha256: str) -> Wording | None:
    """Return a text by the hash over its bytes, or None."""
    row = connection.one(_TEXT, {"text_sha256": text_sha256})
    if row is None:
        return None
    return Wording(
        kind=WordingKind(row["kind"]),
        id=row["id"],
        version=row["version"],
        sha256=row["sha256"],
        text=row["text"],
    )


def _named(one: Wording) -> dict[str, str | int]:
    return {"kind": one.kind.value, "id": one.id, "version": one.version, "sha256": one.sha256}


def _entry(one: Wording | Followed, *, came: bool, actor: str, reason: str, now: datetime) -> AuditEntry:
    facts: dict[str, str | int] = {"digest": one.text_sha256}
    if one.kind is WordingKind.AGREEMENT:
        facts |= {"agreement": one.id, "agreement_version": one.version, "rules_sha256": one.sha256}
    else:
        facts |= {"policy": one.id, "version": one.version, "policy_sha256": one.sha256}
    if reason:
        facts["reason"] = reason
    return AuditEntry(event=_EVENTS[one.kind, came], at=now, actor=actor, facts=facts)


def _in_force(row: Row) -> Followed:
    return Followed(
        kind=WordingKind(row["kind"]),
        id=row["id"],
        version=row["version"],
        sha256=row["sha256"],
        text_sha256=row["text_sha256"],
        since=time_of(row["since"]),
        until=None if row["until"] is None else time_of(row["until"]),
        actor=row["actor"],
        reason=row["reason"],
    )
