"""The operations API: what operators, auditors and their tools see and do (docs/api.md).

Every act names the token's client as the operator and asks for a reason; both stand in the audit trail. Nothing here
shows a payload. Liveness alone is open to everybody.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiohttp import web

from gateway.audit import ChainHead, end_line, genesis, record_line, start_line
from gateway.domain.access import Caller, Role
from gateway.domain.agreement import Agreement
from gateway.domain.hold import HeldQuery
from gateway.domain.ids import MessageId, PartyId, SchemaSetId, TransferId
from gateway.domain.jobs import ReferenceKind
from gateway.domain.lifecycle import HandOverState, TransferState
from gateway.domain.records import InboxRow, KeyFacts, RulesReloaded, TransferDetail, TransferRow
from gateway.errors import GatewayError, RequestError, TransferError
from gateway.exchange.drain import Drain
from gateway.exchange.holds import Holds
from gateway.exchange.operate import Operate, stated_reason
from gateway.exchange.show import Show
from gateway.policy.telling.diff import Diff
from gateway.ports import Store, Tokens
from gateway.schema import SchemaSet, SchemaTree
from gateway.web.door import Admits, Door, Route
from gateway.web.query import Query, path_id, read_json
from gateway.web.shapes import (
    answers_json,
    attempt_json,
    health_json,
    held_count_json,
    hold_of_operator_json,
    inbox_json,
    json_response,
    notice_json,
    owed_json,
    receipt_json,
    record_json,
    released_json,
    reloaded_json,
    requeued_json,
    superseded_json,
    transfer_of_operator_json,
    unjudged_json,
)
from gateway.web.waiting import transfers_as_they_wait

__all__ = [
    "ACTORS",
    "HELD_QUERY",
    "INBOX_QUERY",
    "READERS",
    "RELEASERS",
    "ROUTES",
    "SEARCHABLE",
    "TRANSFER_QUERY",
    "OperationsParts",
    "find_inbox",
    "find_transfer",
    "find_transfers",
    "read_held",
    "read_inbox_message",
    "tell_transfer",
]

SEARCHABLE: Final = (ReferenceKind.MRN, ReferenceKind.LRN, ReferenceKind.UCR)
_AUDIT_PAGE: Final = 1000
TRANSFER_QUERY: Final = frozenset({"state", "recipient", "reference", "limit", "before"})
REQUEUE_QUERY: Final = frozenset({"recipient", "code", "since", "limit", "after"})
HELD_QUERY: Final = frozenset({"recipient", "code", "rule", "since", "after"})
INBOX_QUERY: Final = frozenset({"state", "over_shared", "limit", "before"})


class Reload(Protocol):
    """Takes schema sets, agreements and policies as they stand in the files now."""

    async def __call__(self, *, actor: str, reason: str) -> RulesReloaded:
        """Return what is in force. Raises GatewayError, and then everything is as before."""
        ...


TryOut = Callable[[bytes, Sequence[str]], Awaitable[Diff]]
"""Returns a document beside the views that the policies with these hashes would make of it. Raises GatewayError."""

Check = Callable[[], Awaitable[None]]
"""Returns when all is well; raises GatewayError when it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsParts:
    """What the operations listener needs.

    `reference_index(kind, value)` returns the keyed hash that the store finds a reference by. `partners` lists every
    party we have an agreement with, `own` the parties of this node, `schema_sets` the sets that policies are written
    for with their trees, `keys` the public keys known of a party. `show` opens documents for those allowed, `try_out`
    holds a document against a policy and forgets it, `reload` takes the rules as they stand in the files. `checks` are
    what readiness asks, by name. `node`: what this node is called.
    """

    node: str

    door: Door
    store: Store
    operate: Operate
    drain: Drain
    holds: Holds
    tokens: Tokens
    reference_index: Callable[[ReferenceKind, str], str]
    partners: Callable[[], frozenset[PartyId]]
    own: frozenset[PartyId]
    agreements: Callable[[], tuple[Agreement, ...]]
    schema_sets: Callable[[], Mapping[SchemaSetId, tuple[SchemaSet, SchemaTree]]]
    reload: Reload
    keys: Callable[[PartyId], tuple[KeyFacts, ...]]
    show: Show
    try_out: TryOut
    checks: Mapping[str, Check]
    version: str


# ── the node ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def _health(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    Query(request, ())
    return json_response({"status": "alive", "version": parts.version})


async def _ready(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    Query(request, ())
    checks: dict[str, dict[str, Any]] = {}
    for name, check in parts.checks.items():
        try:
            await check()
        except GatewayError as error:
            checks[name] = {"ready": False, "code": error.code, "detail": error.detail}
        else:
            checks[name] = {"ready": True}
    failing = [name for name, found in checks.items() if not found["ready"]]
    if failing:
        detail = f"Not ready: {', '.join(failing)}"
        raise GatewayError("node.not_ready", detail, facts={"checks": checks})
    return json_response({"status": "ready", "checks": checks})


async def _drain(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    under_way = await parts.drain.begin(operator=caller.client, reason=await _reason(request, parts))
    return json_response({"draining": True, "under_way": under_way})


async def _resume(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    await parts.drain.end(operator=caller.client, reason=await _reason(request, parts))
    return json_response({"draining": False, "under_way": parts.drain.under_way})


async def _counts(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    Query(request, ())
    return json_response(dict(await parts.store.counts()))


async def _unjudged(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    Query(request, ())
    return json_response({"unjudged": [unjudged_json(one) for one in await parts.store.unjudged()]})


async def _reload(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    reason = stated_reason(await _reason(request, parts))
    told = await parts.reload(actor=f"operator:{caller.client}", reason=reason)
    return json_response(reloaded_json(told))


_NEVER: Final[Mapping[str, Any]] = {
    "failures": 0,
    "not_before": None,
    "last_success": None,
    "last_failure": None,
    "last_code": "",
    "last_detail": "",
}
"""How a partner is that was never tried."""


async def _partners(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    Query(request, ())
    known = {health.partner: health_json(health) for health in await parts.store.partners()}
    rows = [known.get(party, {"partner": party, **_NEVER}) for party in sorted(parts.partners() | known.keys())]
    return json_response({"partners": rows})


# ── transfers ────────────────────────────────────────────────────────────────────────────────────────────────────


async def find_transfers(query: Query, parts: OperationsParts) -> tuple[list[TransferRow], TransferId | None]:
    """Return the transfers that a query of TRANSFER_QUERY asks for, newest first, and where the next page starts."""
    limit, before, reference = query.limit(), query.uuid("before"), query.text("reference")
    rows = await parts.store.transfers(
        limit=limit,
        before=None if before is None else TransferId(before),
        state=query.choice("state", TransferState),
        recipient=query.party("recipient"),
        reference_index=None if reference is None else _index(reference, parts),
    )
    following = rows[-1].id if len(rows) == limit else None
    return await transfers_as_they_wait(parts.store, rows), following


async def find_transfer(transfer_id: TransferId, parts: OperationsParts) -> TransferDetail:
    """Return one transfer. Raises TransferError `transfer.not_found`."""
    found = await parts.store.transfer(transfer_id)
    if found is None:
        raise TransferError("transfer.not_found")
    return found


async def tell_transfer(found: TransferDetail, parts: OperationsParts) -> dict[str, Any]:
    """Return all that is known of one transfer, with its timeline."""
    timeline = await parts.store.audit(transfer_id=found.row.id)
    (row,) = await transfers_as_they_wait(parts.store, [found.row])
    return {
        **transfer_of_operator_json(row),
        "tries": [attempt_json(attempt) for attempt in found.attempts],
        "receipt": receipt_json(found.receipt),
        "notice": notice_json(found.notice),
        "answers": answers_json(found.answers),
        "holds": [hold_of_operator_json(hold) for hold in found.holds],
        "warnings": [warning.as_json() for warning in found.warnings],
        "superseded": [superseded_json(message) for message in found.superseded],
        "timeline": [record_json(record) for record in timeline],
    }


async def _transfers(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    rows, following = await find_transfers(Query(request, TRANSFER_QUERY), parts)
    return json_response({"transfers": [transfer_of_operator_json(row) for row in rows], "next": following})


async def _transfer(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    Query(request, ())
    found = await find_transfer(_transfer_id(request), parts)
    return json_response(await tell_transfer(found, parts))


async def _requeue(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    reason = await _reason(request, parts)
    row = await parts.operate.requeue(_transfer_id(request), operator=caller.client, reason=reason)
    return json_response(transfer_of_operator_json(row))


async def _requeue_many(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    query = Query(request, REQUEUE_QUERY)
    recipient, since, after = query.party("recipient"), query.time("since"), query.uuid("after")
    if recipient is None and since is None and query.text("code") is None:
        raise RequestError("request.malformed", "Say which: give `recipient`, `code` or `since`")
    done = await parts.operate.requeue_many(
        operator=caller.client,
        reason=await _reason(request, parts),
        limit=query.limit(),
        recipient=recipient,
        code=query.text("code"),
        since=since,
        after=None if after is None else TransferId(after),
    )
    return json_response(requeued_json(done))


async def _skip(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    reason = await _reason(request, parts)
    row = await parts.operate.skip(_transfer_id(request), operator=caller.client, reason=reason)
    return json_response(transfer_of_operator_json(row))


async def _cancel(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    reason = await _reason(request, parts)
    row = await parts.operate.cancel(_transfer_id(request), operator=caller.client, reason=reason)
    return json_response(transfer_of_operator_json(row))


async def _hold(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    reason = await _reason(request, parts)
    row = await parts.holds.hold(_transfer_id(request), operator=caller.client, reason=reason)
    return json_response(transfer_of_operator_json(row))


async def _release_transfer(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    reason = await _reason(request, parts)
    row = await parts.holds.release(_transfer_id(request), officer=caller.client, reason=reason)
    return json_response(transfer_of_operator_json(row))


def read_held(query: Query) -> HeldQuery:
    """Return which held transfers a query means. Raises RequestError `request.malformed` where it means all."""
    after = query.uuid("after")
    meant = HeldQuery(
        recipient=query.party("recipient"),
        code=query.text("code"),
        rule=query.text("rule"),
        since=query.time("since"),
        after=None if after is None else TransferId(after),
    )
    if (meant.recipient, meant.code, meant.rule, meant.since) == (None,) * 4:
        raise RequestError("request.malformed", "Say which: give `recipient`, `code`, `rule` or `since`")
    return meant


async def _held(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    count = await parts.holds.count(read_held(Query(request, HELD_QUERY)), officer=caller.client)
    return json_response(held_count_json(count))


async def _release_many(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    query = Query(request, HELD_QUERY | {"up_to", "limit"})
    meant, up_to, limit = read_held(query), query.number("up_to"), query.limit()
    reason = await _reason(request, parts)
    done = await parts.holds.release_many(meant, officer=caller.client, reason=reason, up_to=up_to, limit=limit)
    return json_response(released_json(done))


async def _reason(request: web.Request, parts: OperationsParts) -> str:
    return (await read_json(request, members={"reason"}, within=parts.door.body_timeout))["reason"]


def _transfer_id(request: web.Request) -> TransferId:
    return TransferId(path_id(request, "transfer.not_found"))


def _index(reference: str, parts: OperationsParts) -> str:
    kind, colon, value = reference.partition(":")
    if not colon or not value or kind not in SEARCHABLE:
        raise RequestError("request.malformed", f"`reference` is KIND:VALUE, KIND one of {', '.join(SEARCHABLE)}")
    return parts.reference_index(ReferenceKind(kind), value)


# ── inbox and audit ──────────────────────────────────────────────────────────────────────────────────────────────


async def find_inbox(query: Query, parts: OperationsParts) -> tuple[list[InboxRow], MessageId | None]:
    """Return the messages that a query of INBOX_QUERY asks for, newest first, and where the next page starts."""
    limit, before = query.limit(), query.uuid("before")
    rows = await parts.store.inbox(
        limit=limit,
        before=None if before is None else MessageId(before),
        state=query.choice("state", HandOverState),
        over_shared=query.wanted("over_shared"),
    )
    return rows, rows[-1].message_id if len(rows) == limit else None


async def read_inbox_message(request: web.Request, parts: OperationsParts) -> dict[str, Any]:
    """Return all that is known of the message a path names. Raises RequestError `request.not_found`."""
    found = await parts.store.inbox_message(MessageId(path_id(request)))
    if found is None:
        raise RequestError("request.not_found")
    row, _sealed = found
    receipt = await parts.store.given_receipt(row.sender, row.message_id)
    owed = await parts.store.notice_owed(row.sender, row.message_id)
    answers = await parts.store.answers_given(row.sender, row.message_id)
    timeline = await parts.store.audit(message_id=row.message_id)
    return {
        **inbox_json(row),
        "receipt": receipt_json(receipt),
        "notice": owed_json(owed),
        "answers": [transfer_of_operator_json(answer) for answer in answers],
        "timeline": [record_json(record) for record in timeline],
    }


async def _inbox(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    rows, following = await find_inbox(Query(request, INBOX_QUERY), parts)
    return json_response({"messages": [inbox_json(row) for row in rows], "next": following})


async def _inbox_message(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    Query(request, ())
    return json_response(await read_inbox_message(request, parts))


async def _release(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    sender, reason = Query(request, {"sender"}).party("sender"), await _reason(request, parts)
    row = await parts.operate.release(MessageId(path_id(request)), sender=sender, operator=caller.client, reason=reason)
    return json_response(inbox_json(row))


async def _acknowledge(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    sender, reason = Query(request, {"sender"}).party("sender"), await _reason(request, parts)
    message_id = MessageId(path_id(request))
    row = await parts.operate.acknowledge(message_id, sender=sender, operator=caller.client, reason=reason)
    return json_response(inbox_json(row))


async def _audit(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.StreamResponse:
    """Send the whole chain as an audit export, as JSON lines."""
    Query(request, ())
    first = await parts.store.audit(limit=1)
    if not first:
        raise RequestError("request.not_found", "The audit chain has no record yet")
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    try:
        async for chunk in _export(parts.store, genesis(first[0].chain)):
            await response.write(chunk)
    except GatewayError:
        # Too late for a problem. An export without its last line can not pass for a whole one.
        if request.transport is not None:
            request.transport.close()
        return response
    await response.write_eof()
    return response


async def _export(store: Store, head: ChainHead) -> AsyncIterator[bytes]:
    yield start_line(head)
    count = 0
    while records := await store.audit(after=head.seq, limit=_AUDIT_PAGE):
        yield b"".join(map(record_line, records))
        head, count = records[-1].head, count + len(records)
    yield end_line(head, count)


READERS: Final = frozenset({Role.OPERATOR, Role.OFFICER, Role.AUDITOR})
ACTORS: Final = frozenset({Role.OPERATOR, Role.OFFICER})
RELEASERS: Final = frozenset({Role.OFFICER})
_NODE: Final = READERS | {Role.SECURITY, Role.ADMIN}

ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/healthz", handler=_health, admits=Admits.ANYONE),
    Route(method="GET", path="/readyz", handler=_ready, admits=_NODE),
    Route(method="POST", path="/v1/reload", handler=_reload, admits=frozenset({Role.ADMIN})),
    Route(method="POST", path="/v1/drain", handler=_drain, admits=frozenset({Role.ADMIN})),
    Route(method="POST", path="/v1/resume", handler=_resume, admits=frozenset({Role.ADMIN})),
    Route(method="GET", path="/v1/counts", handler=_counts, admits=_NODE),
    Route(method="GET", path="/v1/partners", handler=_partners, admits=_NODE),
    Route(method="GET", path="/v1/unjudged", handler=_unjudged, admits=_NODE),
    Route(method="GET", path="/v1/transfers", handler=_transfers, admits=READERS),
    Route(method="GET", path="/v1/transfers/held", handler=_held, admits=RELEASERS),
    Route(method="GET", path="/v1/transfers/{id}", handler=_transfer, admits=READERS),
    Route(method="POST", path="/v1/transfers/{id}/requeue", handler=_requeue, admits=ACTORS),
    Route(method="POST", path="/v1/transfers/requeue", handler=_requeue_many, admits=ACTORS),
    Route(method="POST", path="/v1/transfers/{id}/skip", handler=_skip, admits=ACTORS),
    Route(method="POST", path="/v1/transfers/{id}/cancel", handler=_cancel, admits=ACTORS),
    Route(method="POST", path="/v1/transfers/{id}/hold", handler=_hold, admits=ACTORS),
    Route(method="POST", path="/v1/transfers/{id}/release", handler=_release_transfer, admits=RELEASERS),
    Route(method="POST", path="/v1/transfers/release", handler=_release_many, admits=RELEASERS),
    Route(method="GET", path="/v1/inbox", handler=_inbox, admits=READERS),
    Route(method="GET", path="/v1/inbox/{id}", handler=_inbox_message, admits=READERS),
    Route(method="POST", path="/v1/inbox/{id}/release", handler=_release, admits=ACTORS),
    Route(method="POST", path="/v1/inbox/{id}/acknowledge", handler=_acknowledge, admits=ACTORS),
    Route(method="GET", path="/v1/audit", handler=_audit, admits=frozenset({Role.AUDITOR})),
)
