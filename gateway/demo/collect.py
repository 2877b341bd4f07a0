"""Takes down where everything stands at the end: transfers, statements, what the back ends hold, the audit chains."""

import asyncio
from contextlib import suppress

from gateway.app.node import DATABASE
from gateway.audit import export_lines, genesis
from gateway.client import ClientError, Transfer, TransferDetail
from gateway.demo.chain import Chain, read_chain
from gateway.demo.documents import Programme
from gateway.demo.history import Acknowledged, Books, History, Played, Standing
from gateway.demo.stage import Stage
from gateway.demo.statements import NOTICE, RECEIPT, public_certificates, what_is_wrong
from gateway.domain.ids import PartyId, TransferId
from gateway.errors import GatewayError
from gateway.storage import database_chains, database_records, verify_database

_MOST = 100


async def collect(stage: Stage, programme: Programme, played: Played, *, stop: bool) -> History:
    """Return all that happened. `stop`: end both gateways before their chains are read."""
    standings: dict[TransferId, Standing] = {}
    for one in played.acknowledged:
        with suppress(ClientError):
            standings[one.transfer] = await _standing(stage, one)
    books = {party: await _books(stage, party, stop=stop) for party in stage.processes}
    return History(programme=programme, played=played, standings=standings, books=books)


async def _standing(stage: Stage, one: Acknowledged) -> Standing:
    async with stage.operations(one.document.sender) as client:
        told = await client.transfer(one.transfer)
    transfer = told.transfer
    receipt, notice = _statements(stage, one, told)
    return Standing(
        state=transfer.state,
        attempts=transfer.attempts,
        kept=transfer.kept,
        withheld=transfer.withheld,
        handed_over=transfer.handed_over,
        answers=tuple(answer.message_id for answer in told.answers),
        receipt=receipt,
        notice=notice,
    )


def _statements(stage: Stage, one: Acknowledged, told: TransferDetail) -> tuple[str, str]:
    """Return what is wrong with the receipt and with the notice. They are bound to what was acknowledged, not to what
    the gateway says now."""
    sender, recipient = one.document.sender, one.document.recipient
    certificates = public_certificates(stage.bundle(sender, recipient))
    bound = {"message_id": one.message, "digest": one.digest}
    at = told.transfer.handed_over
    receipt = what_is_wrong(
        None if told.receipt is None else told.receipt.token,
        RECEIPT,
        certificates,
        issuer=recipient,
        audience=sender,
        about={**bound, "verdict": "accepted", "code": "ok"},
    )
    notice = what_is_wrong(
        None if told.notice is None else told.notice.token,
        NOTICE,
        certificates,
        issuer=recipient,
        audience=sender,
        about={**bound, "handed_over": None if at is None else int(at.timestamp())},
    )
    return receipt, notice


async def _books(stage: Stage, party: PartyId, *, stop: bool) -> Books:
    transfers: tuple[Transfer, ...] = ()
    with suppress(ClientError):
        async with stage.operations(party) as client:
            transfers, _ = await client.transfers(limit=_MOST)
    stopped = await stage.processes[party].stop() if stop else None
    chain, verdict = await asyncio.to_thread(_audit, stage, party)
    backend = stage.backends[party]
    return Books(
        received=tuple(backend.messages),
        bad_signatures=backend.rejected,
        chain=chain,
        verdict=verdict,
        stopped=stopped,
        transfers=len(transfers),
    )


def _audit(stage: Stage, party: PartyId) -> tuple[Chain, str]:
    """Read the chain from the database file by itself: exported and read again by other code, and verified."""
    database = stage.world.nodes[party].data / DATABASE
    try:
        (name,) = database_chains(database)
        export = b"".join(export_lines(database_records(database, name), start=genesis(name)))
        (verdict,) = verify_database(database)
    except (GatewayError, ValueError) as error:
        nothing = Chain(name=party, head="", broken="it can not be read", records=())
        return nothing, f"not readable: {type(error).__name__}"
    return read_chain(export), "intact" if verdict.intact else f"broken at {verdict.broken_seq}: {verdict.reason}"
