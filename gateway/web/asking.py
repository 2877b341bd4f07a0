"""What one submission asks, read and checked alike whether it came alone or as one line of many."""

from enum import StrEnum

from gateway.domain.access import Caller
from gateway.domain.failpoint import Failpoint, Reach
from gateway.domain.ids import MessageId, PartyId, is_message_id
from gateway.domain.priority import Priority
from gateway.domain.telling import Telling
from gateway.errors import AccessError, RequestError
from gateway.exchange.submit import SubmitRequest
from gateway.web.query import Query

__all__ = ["know_submitter", "submit_request"]


class _Explain(StrEnum):
    """What `explain` asks for: `values` has a refusal show what the submitter itself wrote."""

    VALUES = "values"


def submit_request(query: Query, caller: Caller, *, key: str, body: bytes, language: str) -> SubmitRequest:
    """Return what is asked. `query` knows PARAMETERS. Raises RequestError or AccessError."""
    recipients = query.parties("to")
    if not recipients:
        raise RequestError("request.malformed", "Name the recipients: to=GB-HMRC,FR-DGDDI")
    if len(set(recipients)) != len(recipients):
        raise RequestError("request.malformed", "Name each recipient once")
    in_reply_to = query.uuid("in_reply_to")
    if in_reply_to is not None and not is_message_id(in_reply_to):
        raise RequestError("request.malformed", "`in_reply_to` is not a message id (a UUIDv7)")
    return SubmitRequest(
        client=caller.client,
        sender=_sender(query.party("from"), caller),
        recipients=recipients,
        body=body,
        idempotency_key=key,
        conversation_key=query.text("conversation"),
        priority=query.choice("priority", Priority) or Priority.NORMAL,
        in_reply_to=None if in_reply_to is None else MessageId(in_reply_to),
        telling=Telling(language=language, values=query.choice("explain", _Explain) is not None),
    )


def know_submitter(reach: Reach) -> None:
    """Pass the point at which it is known who submits, and what."""
    reach(Failpoint.SUBMITTER_KNOWN)


def _sender(named: PartyId | None, caller: Caller) -> PartyId:
    """Return for whom the client submits: the named party, or the only one it is registered for."""
    if named is None:
        if len(caller.parties) != 1:
            raise RequestError("request.malformed", "Name the sender: from=GB-HMRC")
        return next(iter(caller.parties))
    if named not in caller.parties:
        raise AccessError("access.forbidden", "The client is not registered for the sender it names")
    return named
