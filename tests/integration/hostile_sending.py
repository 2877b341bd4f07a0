"""For the tables in which our gateway sends: one transfer after the other to GB, whose server a test scripts, or to whom it says."""

import itertools
from dataclasses import dataclass
from typing import Any

from gateway.audit import AuditEvent
from gateway.domain.ids import PartyId, TransferId
from tests.integration.one_gateway import DOCUMENT, GB, Event, OneGateway
from tests.integration.scripted_server import eventually

_NUMBERS = itertools.count(1)
_REFERENCES = (b"SAMPLE-EX-0001", b"6XA900000000004-")  # its LRN, and how its UCRs begin

CLAIMED, FAILED, REJECTED = AuditEvent.TRANSFER_CLAIMED, AuditEvent.TRANSFER_FAILED, AuditEvent.RECEIPT_REJECTED


def new_document() -> bytes:
    """Return the sample under other references, so that it joins no conversation."""
    document, number = DOCUMENT.read_bytes(), next(_NUMBERS)
    for reference in _REFERENCES:
        assert reference in document
        document = document.replace(reference, b"X%d-" % number)
    return document


async def submit(world: OneGateway, *, to: PartyId = GB) -> "Underway":
    """Submit a document for one partner."""
    async with world.submissions() as client:
        submission = await client.submit(new_document(), to=[to])
    return Underway(world=world, id=submission.transfers[0].id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """A transfer, as the database tells of it."""

    world: OneGateway
    id: TransferId

    def row(self) -> dict[str, Any]:
        """Return its row by column."""
        names = [name for _, name, *_ in self.world.ask("PRAGMA table_info(transfer)")]
        ((*values,),) = self.world.ask("SELECT * FROM transfer WHERE id = ?", self.id)
        return dict(zip(names, values, strict=True))

    @property
    def state(self) -> str:
        return str(self.row()["state"])

    def attempts(self) -> list[tuple[str, str, str]]:
        """Return outcome, code and explanation of each attempt."""
        sql = "SELECT outcome, code, detail FROM attempt WHERE transfer_id = ? ORDER BY id"
        return self.world.ask(sql, self.id)

    def receipts(self) -> list[tuple[str, str]]:
        """Return verdict and token of each receipt that was believed."""
        sql = "SELECT verdict, token FROM receipt WHERE message_id = ? ORDER BY id"
        return self.world.ask(sql, self.row()["message_id"])

    def events(self) -> list[Event]:
        return self.world.events(transfer_id=self.id)

    def story(self) -> list[tuple[str, str]]:
        """Return its audit records after the first, which is its acceptance: event and code."""
        first, *rest = self.events()
        assert first.event == AuditEvent.TRANSFER_ACCEPTED
        return [(event.event, event.code) for event in rest]

    async def reaches(self, state: str) -> None:
        await eventually(lambda: self.state == state)

    async def failed_attempt(self) -> None:
        """Return when an attempt has failed and is accounted for."""
        await eventually(self.attempts)
