"""Clients that never give up: each submits a document and asks again with the same key until the outcome is known.

Every document is a bundled sample whose references are a marker of its own, so that it is a conversation of its own
and can be told apart at the other end. Whatever a client is told is kept as an `Answer`.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from types import TracebackType
from typing import Final, Self

from gateway.bundled import schema_folder
from gateway.client import ClientError, SubmissionClient
from gateway.domain.ids import PartyId
from tests.faults.history import Answer
from tests.world import Side

_REFERENCES: Final[Mapping[str, tuple[str, ...]]] = {
    "export-one-item.xml": ("SAMPLE-EX-0001", "6XA900000000004-ITEM1", "6XA900000000004-TELESCOPES"),
    "import-two-items.xml": ("SAMPLE-IM-0001", "6XA900000000003-COCOA-1", "6XA900000000003-IM1"),
    "transit-bare-declaration.xml": ("SAMPLE-TR-0001", "6XC900000000007-OAK"),
}
"""The samples and what stands in each for its references."""

SAMPLES: Final = tuple(_REFERENCES)
MARK: Final = "@MARKER@"
_RELEASES: Final = ("WCODataModelVersionCode>3.6<", "WCODataModelVersionCode>3.7<")
_ASK_AGAIN_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document to submit. `case`: the client's own case reference. `twice`: it is asked for twice at once.

    `held`: it names another release of the data model, which may hold it (`officers.py`).
    """

    marker: str
    sample: str
    sender: PartyId
    recipient: PartyId
    case: str | None = None
    twice: bool = False
    held: bool = False

    @property
    def key(self) -> str:
        """The idempotency key of every request for it."""
        return f"key-{self.marker}"

    def text(self) -> bytes:
        """Return the XML."""
        return self.dressed(template(self.sample)).encode()

    def dressed(self, text: str) -> str:
        """Return a text of the sample as this document has it: a sample's template, or a view of it."""
        text = text.replace(MARK, self.marker)
        return text.replace(*_RELEASES) if self.held else text


@cache
def template(sample: str) -> str:
    """Return a sample with MARK in the place of its references."""
    text = (schema_folder() / "samples" / "valid" / sample).read_text(encoding="utf-8")
    for reference in _REFERENCES[sample]:
        if reference not in text:
            raise ValueError(f"{sample} does not hold {reference}")
        text = text.replace(reference, MARK)
    return text


class Clients:
    """One client for each gateway, as an async context. `answers`: all they were told, in order."""

    def __init__(self, sides: Mapping[PartyId, Side]) -> None:
        self._sides = sides
        self._stack = AsyncExitStack()
        self._clients: dict[PartyId, SubmissionClient] = {}
        self.answers: list[Answer] = []

    async def __aenter__(self) -> Self:
        for party, side in self._sides.items():
            self._clients[party] = await self._stack.enter_async_context(side.submissions())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def accepted(self) -> int:
        """How many documents were acknowledged."""
        return len({answer.marker for answer in self.answers if answer.code == "ok"})

    async def submit(self, document: Document) -> Answer:
        """Ask until the document is acknowledged, and return the acknowledgement. Raises ClientError for a refusal."""
        at_once = 2 if document.twice else 1
        while True:
            answers = await asyncio.gather(*(self.ask(document) for _ in range(at_once)))
            for answer in answers:
                if answer.code == "ok":
                    return answer
            at_once = 1
            await asyncio.sleep(_ASK_AGAIN_SECONDS)

    async def ask(self, document: Document) -> Answer:
        """Ask once, and return what came of it."""
        try:
            submission = await self._clients[document.sender].submit(
                document.text(), to=[document.recipient], conversation=document.case, idempotency_key=document.key
            )
        except ClientError as error:
            # No answer, "not now", or "the same is being worked on": nobody knows yet. All else is a refusal.
            if error.status not in {None, 409, 429, 503}:
                raise
            answer = replace(_answer(document, error.code), status=error.status)
        else:
            (transfer,) = submission.transfers
            answer = replace(
                _answer(document, "ok"),
                submission_id=submission.id,
                message_id=transfer.message_id,
                digest=transfer.digest,
                conversation=transfer.conversation,
                sequence=transfer.sequence,
                replayed=submission.replayed,
            )
        self.answers.append(answer)
        return answer


def _answer(document: Document, code: str) -> Answer:
    return Answer(
        key=document.key,
        marker=document.marker,
        sender=document.sender,
        recipient=document.recipient,
        at=datetime.now(UTC),
        code=code,
    )
