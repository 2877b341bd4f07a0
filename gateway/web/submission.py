"""The submission listener (C1, C4): national systems hand in documents, see what became of them, and fetch what came.

A client submits only for the parties it is registered for and sees only its own submissions; another client's id is
answered as if it did not exist. docs/api.md describes every route.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from aiohttp import web

from gateway.domain.access import Caller, Role
from gateway.domain.bulk import MAX_BULK_BYTES, PARAMETERS
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import SubmissionId, TransferId
from gateway.domain.limits import MAX_DOCUMENT_BYTES
from gateway.errors import RequestError
from gateway.exchange.pull import Pull
from gateway.exchange.submit import Submit
from gateway.ports import Store, Tokens
from gateway.web import inbox
from gateway.web.asking import know_submitter, submit_request
from gateway.web.bulk import LINES_IN_WORK, submit_many
from gateway.web.door import Admits, Door, Route, admit_caller, build_app
from gateway.web.language import language_of
from gateway.web.load import Load
from gateway.web.problem import Audience
from gateway.web.query import Query, idempotency_key, path_id, read_body
from gateway.web.shapes import json_response, submission_json
from gateway.web.steps import answered
from gateway.web.waiting import submissions_as_they_wait

__all__ = ["ROUTES", "SubmissionParts", "submission_app"]


_XML: Final = frozenset({"application/xml", "text/xml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionParts:
    """What the submission listener needs. `max_document_bytes` is the XML door's limit; `lines`: of requests with
    many submissions, in work."""

    door: Door
    submit: Submit
    store: Store
    pull: Pull
    tokens: Tokens
    max_document_bytes: int = MAX_DOCUMENT_BYTES
    lines: Load = field(default_factory=lambda: Load(requests=LINES_IN_WORK, size=0), repr=False)
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
    query, key = Query(request, PARAMETERS), idempotency_key(request)
    # All but the body first: who may not submit, or asks for what there is not, need not send it.
    asked = submit_request(query, caller, key=key, body=b"", language=language_of(request))
    body = await read_body(
        request, media_types=_XML, max_bytes=parts.max_document_bytes, within=parts.door.body_timeout
    )
    know_submitter(parts.reach)
    row, replayed = await parts.submit(replace(asked, body=body))
    headers = {"Location": f"/v1/submissions/{row.id}"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return await answered(request, json_response(submission_json(row), status=202, headers=headers), parts.reach)


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
    Route(
        method="POST",
        path="/v1/submissions/bulk",
        handler=submit_many,
        admits=_SUBMITTER,
        max_body_bytes=MAX_BULK_BYTES,
    ),
    Route(method="GET", path="/v1/submissions", handler=_submissions, admits=_SUBMITTER),
    Route(method="GET", path="/v1/submissions/{id}", handler=_submission, admits=_SUBMITTER),
    Route(method="GET", path="/v1/transfers/{id}/receipt", handler=_receipt, admits=_SUBMITTER),
    Route(method="POST", path="/v1/inbox/leases", handler=inbox.lease, admits=_BACKEND),
    Route(method="POST", path="/v1/inbox/acknowledgements", handler=inbox.acknowledge_all, admits=_BACKEND),
    Route(method="POST", path="/v1/inbox/{id}/acknowledgement", handler=inbox.acknowledge, admits=_BACKEND),
    Route(method="POST", path="/v1/inbox/{id}/postponement", handler=inbox.postpone, admits=_BACKEND),
    Route(method="POST", path="/v1/inbox/{id}/quarantine", handler=inbox.quarantine, admits=_BACKEND),
)
