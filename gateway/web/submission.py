"""The submission listener (C1, C4): national systems hand in documents, see what became of them, and fetch what came.

A client submits only for the parties it is registered for and sees only its own submissions; another client's id is
answered as if it did not exist. docs/api.md describes every route.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aiohttp import web

from gateway.domain.access import Caller, Role
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import MessageId, PartyId, SubmissionId, TransferId, is_message_id
from gateway.domain.limits import MAX_DOCUMENT_BYTES
from gateway.domain.priority import Priority
from gateway.domain.telling import Telling
from gateway.errors import AccessError, RequestError
from gateway.exchange.pull import Pull
from gateway.exchange.submit import Submit, SubmitRequest
from gateway.ports import Store, Tokens
from gateway.web import inbox
from gateway.web.door import Admits, Door, Route, admit_caller, build_app
from gateway.web.language import language_of
from gateway.web.problem import Audience
from gateway.web.query import Query, idempotency_key, path_id, read_body
from gateway.web.shapes import json_response, submission_json
from gateway.web.steps import answered
from gateway.web.waiting import submissions_as_they_wait

__all__ = ["ROUTES", "SubmissionParts", "submission_app"]


class _Explain(StrEnum):
    """What `explain` asks for: `values` has a refusal show what the submitter itself wrote."""

    VALUES = "values"


_XML: Final = frozenset({"application/xml", "text/xml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionParts:
    """What the submission listener needs. `max_document_bytes` is the XML door's limit."""

    door: Door
    submit: Submit
    store: Store
    pull: Pull
    tokens: Tokens
    max_document_bytes: int = MAX_DOCUMENT_BYTES
    reach: Reach = pass_by


def submission_app(parts: SubmissionParts) -> web.Application:
    """Return the listener as an application, ready for `serve`."""

    async def ask(request: web.Request, admits: frozenset[Role] | Admits) -> Caller:
        parts.reach(Failpoint.SUBMISSION_IN)
        return await admit_caller(request, admits, parts.tokens)

    return build_app(
        parts.door, ROUTES, parts, ask=ask, audience=Audience.CLIENT, max_body_bytes=parts.max_document_bytes
    )


async def _submit(request: web.Request, parts: SubmissionParts, caller: Caller) -> web.StreamResponse:
    query = Query(request, {"from", "to", "conversation", "in_reply_to", "priority", "explain"})
    key = idempotency_key(request)
    recipients = query.parties("to")
    if not recipients:
        raise RequestError("request.malformed", "Name the recipients: to=GB-HMRC,FR-DGDDI")
    if len(set(recipients)) != len(recipients):
        raise RequestError("request.malformed", "Name each recipient once")
    sender = _sender(query.party("from"), caller)
    in_reply_to = query.uuid("in_reply_to")
    if in_reply_to is not None and not is_message_id(in_reply_to):
        raise RequestError("request.malformed", "`in_reply_to` is not a message id (a UUIDv7)")
    telling = Telling(language=language_of(request), values=query.choice("explain", _Explain) is not None)
    body = await read_body(
        request, media_types=_XML, max_bytes=parts.max_document_bytes, within=parts.door.body_timeout
    )
    parts.reach(Failpoint.SUBMITTER_KNOWN)
    row, replayed = await parts.submit(
        SubmitRequest(
            client=caller.client,
            sender=sender,
            recipients=recipients,
            body=body,
            idempotency_key=key,
            conversation_key=query.text("conversation"),
            priority=query.choice("priority", Priority) or Priority.NORMAL,
            in_reply_to=None if in_reply_to is None else MessageId(in_reply_to),
            telling=telling,
        )
    )
    headers = {"Location": f"/v1/submissions/{row.id}"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return await answered(request, json_response(submission_json(row), status=202, headers=headers), parts.reach)


def _sender(named: PartyId | None, caller: Caller) -> PartyId:
    """Return for whom the client submits: the named party, or the only one it is registered for."""
    if named is None:
        if len(caller.parties) != 1:
            raise RequestError("request.malformed", "Name the sender: from=GB-HMRC")
        return next(iter(caller.parties))
    if named not in caller.parties:
        raise AccessError("access.forbidden", "The client is not registered for the sender it names")
    return named


async def _submission(request: web.Request, parts: SubmissionParts, caller: Caller) -> web.Response:
    Query(request, ())
    row = await parts.store.submission(SubmissionId(path_id(request)))
    if row is None or row.client != caller.client:
        raise RequestError("request.not_found")
    (row,) = await submissions_as_they_wait(parts.store, [row])
    return json_response(submission_json(row))


async def _submissions(request: web.Request, parts: SubmissionParts, caller: Caller) -> web.Response:
    query = Query(request, {"limit", "before"})
    limit, before = query.limit(), query.uuid("before")
    rows = await parts.store.submissions(
        client=caller.client, limit=limit, before=None if before is None else SubmissionId(before)
    )
    following = rows[-1].id if len(rows) == limit else None
    rows = await submissions_as_they_wait(parts.store, rows)
    return json_response({"submissions": [submission_json(row) for row in rows], "next": following})


async def _receipt(request: web.Request, parts: SubmissionParts, caller: Caller) -> web.Response:
    Query(request, ())
    found = await parts.store.transfer(TransferId(path_id(request)))
    if found is None or found.row.client != caller.client:
        raise RequestError("request.not_found")
    if found.receipt is None:
        raise RequestError("request.not_found", "The partner has given no receipt for this transfer yet")
    return web.Response(body=found.receipt.token.encode("ascii"), content_type="application/jose")


_SUBMITTER: Final = frozenset({Role.SUBMITTER})
_BACKEND: Final = frozenset({Role.BACKEND})

ROUTES: Final[tuple[Route[SubmissionParts, Caller], ...]] = (
    Route(method="POST", path="/v1/submissions", handler=_submit, admits=_SUBMITTER),
    Route(method="GET", path="/v1/submissions", handler=_submissions, admits=_SUBMITTER),
    Route(method="GET", path="/v1/submissions/{id}", handler=_submission, admits=_SUBMITTER),
    Route(method="GET", path="/v1/transfers/{id}/receipt", handler=_receipt, admits=_SUBMITTER),
    Route(method="POST", path="/v1/inbox/leases", handler=inbox.lease, admits=_BACKEND),
    Route(method="POST", path="/v1/inbox/{id}/acknowledgement", handler=inbox.acknowledge, admits=_BACKEND),
    Route(method="POST", path="/v1/inbox/{id}/postponement", handler=inbox.postpone, admits=_BACKEND),
    Route(method="POST", path="/v1/inbox/{id}/quarantine", handler=inbox.quarantine, admits=_BACKEND),
)
