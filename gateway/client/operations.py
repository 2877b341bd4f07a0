"""The client of the operations API."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import orjson

from gateway.client.acts import ReleasedMany, RequeuedMany, read_held_count, read_released, read_requeued
from gateway.client.connection import ClientError, Connection
from gateway.client.results import (
    InboxDetail,
    InboxMessage,
    Partner,
    Transfer,
    TransferDetail,
    read_inbox_detail,
    read_inbox_message,
    read_partner,
    read_transfer,
    read_transfer_detail,
)
from gateway.domain.hold import HeldCount, HeldQuery
from gateway.domain.ids import MessageId, PartyId, TransferId
from gateway.domain.later import Unjudged
from gateway.domain.lifecycle import HandOverState, TransferState

__all__ = ["OperationsClient"]

Value = TypeVar("Value")


class OperationsClient(Connection):
    """Watches and steers one node: `async with OperationsClient(url, token) as client`. Methods raise ClientError."""

    async def healthy(self) -> bool:
        """Tell whether the node is alive. Needs no token."""
        return (await self.request("GET", "/healthz")).json().get("status") == "alive"

    async def ready(self) -> Mapping[str, Any]:
        """Return the checks of a ready node. Raises ClientError `node.not_ready`, the failing checks in its problem."""
        value: Mapping[str, Any] = (await self.request("GET", "/readyz")).json()["checks"]
        return value

    async def reload(self, *, reason: str) -> Mapping[str, Any]:
        """Have the node take schema sets, agreements and policies as its files stand now, and return what is in force.

        Needs the admin's role. Refused with `config.reload_refused`, every finding in its problem.
        """
        return await self._act("/v1/reload", reason, dict)

    async def rule_history(self, *, of: str = "", sha256: str = "", limit: int = 50) -> tuple[Mapping[str, Any], ...]:
        """Return which texts of agreements and policies are or were in force, the newest first. `of`: only this id.
        `sha256`: only those of which a hash begins so: that of messages, or that over the text."""
        query = {"limit": str(limit), **{name: one for name, one in (("of", of), ("sha256", sha256)) if one}}
        return await self._read("/v1/rules/history", lambda value: tuple(value["texts"]), query=query)

    async def rule_text(self, text_sha256: str) -> Mapping[str, Any]:
        """Return a text that was in force, with its kind, id and version. Raises ClientError `request.not_found`."""
        return await self._read(f"/v1/rules/texts/{text_sha256}", dict)

    async def drain(self, *, reason: str, end: bool = False) -> Mapping[str, Any]:
        """Have the node take nothing new and finish what is under way, or `end` that. Return `draining` and how much is
        `under_way`. Needs the admin's role."""
        return await self._act("/v1/resume" if end else "/v1/drain", reason, dict)

    async def counts(self) -> Mapping[str, int]:
        """Return how many transfers and hand-overs stand in each state."""
        return (await self.request("GET", "/v1/counts")).json()

    async def partners(self) -> tuple[Partner, ...]:
        """Return how each partner has been answering."""
        return await self._read("/v1/partners", lambda value: tuple(map(read_partner, value["partners"])))

    async def unjudged(self) -> tuple[Unjudged, ...]:
        """Return how many envelopes of each partner were answered with 202 and wait to be judged."""
        return await self._read("/v1/unjudged", lambda value: tuple(map(_unjudged, value["unjudged"])))

    async def transfers(
        self,
        *,
        state: TransferState | None = None,
        recipient: PartyId | None = None,
        reference: str | None = None,
        limit: int = 50,
        before: TransferId | None = None,
    ) -> tuple[tuple[Transfer, ...], TransferId | None]:
        """Return transfers, newest first, and what to give as `before` for older ones.

        `reference`: `mrn:VALUE`, `lrn:VALUE` or `ucr:VALUE`.
        """
        query = {"state": state, "recipient": recipient, "reference": reference, "before": before}
        return await self._read(
            "/v1/transfers",
            lambda value: (tuple(map(read_transfer, value["transfers"])), value["next"]),
            query={"limit": str(limit), **_given(query)},
        )

    async def transfer(self, transfer_id: TransferId) -> TransferDetail:
        """Return all that is known of one transfer."""
        return await self._read(f"/v1/transfers/{transfer_id}", read_transfer_detail)

    async def requeue(self, transfer_id: TransferId, *, reason: str) -> Transfer:
        """Have a dead-lettered transfer sent again."""
        return await self._act(f"/v1/transfers/{transfer_id}/requeue", reason, read_transfer)

    async def requeue_many(
        self,
        *,
        reason: str,
        recipient: PartyId | None = None,
        code: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
        after: TransferId | None = None,
    ) -> RequeuedMany:
        """Have dead letters that fit sent again, the oldest first; at least one of the three must be given."""
        query = {
            "recipient": recipient,
            "code": code,
            "since": None if since is None else since.isoformat(),
            "after": after,
            "limit": str(limit),
        }
        return await self._act("/v1/transfers/requeue", reason, read_requeued, query=_given(query))

    async def skip(self, transfer_id: TransferId, *, reason: str) -> Transfer:
        """Give a held or dead-lettered transfer up, so that those behind it in its conversation go."""
        return await self._act(f"/v1/transfers/{transfer_id}/skip", reason, read_transfer)

    async def cancel(self, transfer_id: TransferId, *, reason: str) -> Transfer:
        """Stop a transfer that the partner does not have. The partner is asked first if it was sent."""
        return await self._act(f"/v1/transfers/{transfer_id}/cancel", reason, read_transfer)

    async def hold(self, transfer_id: TransferId, *, reason: str) -> Transfer:
        """Stop a transfer that waits to be sent, until an officer releases it."""
        return await self._act(f"/v1/transfers/{transfer_id}/hold", reason, read_transfer)

    async def release_transfer(self, transfer_id: TransferId, *, reason: str) -> Transfer:
        """Approve that a held transfer goes. It stays HELD while another officer's approval is missing."""
        return await self._act(f"/v1/transfers/{transfer_id}/release", reason, read_transfer)

    async def count_held(self, query: HeldQuery) -> HeldCount:
        """Return how many held transfers fit; something of the query besides `after` must be given."""
        return await self._read("/v1/transfers/held", read_held_count, query=_of_held(query))

    async def release_many(self, query: HeldQuery, *, reason: str, up_to: int, limit: int = 50) -> ReleasedMany:
        """Approve that held transfers go that fit, the oldest first. `up_to`: as `count_held` told; what was held later
        stays."""
        given = {**_of_held(query), "up_to": str(up_to), "limit": str(limit)}
        return await self._act("/v1/transfers/release", reason, read_released, query=given)

    async def inbox(
        self,
        *,
        state: HandOverState | None = None,
        over_shared: bool = False,
        limit: int = 50,
        before: MessageId | None = None,
    ) -> tuple[tuple[InboxMessage, ...], MessageId | None]:
        """Return received messages, newest first, and what to give as `before` for older ones.

        `over_shared`: only those that hold more than was agreed.
        """
        return await self._read(
            "/v1/inbox",
            lambda value: (tuple(map(read_inbox_message, value["messages"])), value["next"]),
            query={
                "limit": str(limit),
                **_given({"state": state, "before": before, "over_shared": "yes" if over_shared else None}),
            },
        )

    async def inbox_message(self, message_id: MessageId) -> InboxDetail:
        """Return what is known of one received message."""
        return await self._read(f"/v1/inbox/{message_id}", read_inbox_detail)

    async def release(self, message_id: MessageId, *, reason: str) -> InboxMessage:
        """Have a message in quarantine handed over again."""
        return await self._act(f"/v1/inbox/{message_id}/release", reason, read_inbox_message)

    async def acknowledge(self, message_id: MessageId, *, reason: str) -> InboxMessage:
        """Note that somebody saw to the alarm of a message that holds more than was agreed."""
        return await self._act(f"/v1/inbox/{message_id}/acknowledge", reason, read_inbox_message)

    def audit(self) -> AsyncIterator[bytes]:
        """Return the node's audit export as it comes, in pieces. Needs the auditor's role."""
        return self.stream("/v1/audit")

    async def _act(
        self,
        path: str,
        reason: str,
        read: Callable[[Mapping[str, Any]], Value],
        *,
        query: Mapping[str, str] | None = None,
    ) -> Value:
        body, headers = orjson.dumps({"reason": reason}), {"Content-Type": "application/json"}
        return _shaped((await self.request("POST", path, headers=headers, body=body, query=query)).json(), read)

    async def _read(
        self, path: str, read: Callable[[Mapping[str, Any]], Value], *, query: Mapping[str, str] | None = None
    ) -> Value:
        return _shaped((await self.request("GET", path, query=query)).json(), read)


def _unjudged(value: Mapping[str, Any]) -> Unjudged:
    return Unjudged(
        sender=PartyId(value["sender"]), count=value["count"], oldest=datetime.fromisoformat(value["oldest"])
    )


def _of_held(query: HeldQuery) -> dict[str, str]:
    since = None if query.since is None else query.since.isoformat()
    named = {"recipient": query.recipient, "code": query.code, "rule": query.rule}
    return _given({**named, "since": since, "after": query.after})


def _given(parameters: Mapping[str, str | None]) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _shaped(value: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Value]) -> Value:
    try:
        return read(value)
    except (KeyError, ValueError, TypeError) as error:
        raise ClientError("client.unexpected_answer", "The answer has another shape than this client knows") from error
