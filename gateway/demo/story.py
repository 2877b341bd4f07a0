"""The traffic of the demo, in acts.

1. GB-HMRC submits its documents, one after the other. In the middle of it the gateway of FR-DGDDI is killed.
2. While it is down: what must be refused is refused, and somebody with the true certificate of FR-DGDDI, but not its
   signing key, posts a receipt for a message that has not arrived.
3. FR-DGDDI is there again. It is sent a message that holds more than the agreement permits. Its back end answers what
   it has got and sends documents of its own, and the two go on with their conversation: declaration, acceptance,
   amendment, acceptance, cancellation.
4. All comes to rest.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from gateway.client import ClientError, SubmissionClient
from gateway.demo.documents import MustRefuse, Programme, Sample
from gateway.demo.history import Acknowledged, Forgery, Kill, NotTaken, Played, Refusal
from gateway.demo.stage import FR, GB, Stage
from gateway.demo.statements import forge_receipt, public_certificates
from gateway.demo.too_much import send_too_much
from gateway.demo.watch import Watch
from gateway.domain.ids import MessageId

WHOLE: Final = "import-two-items"
"""The document that is sent whole to who may not have all of it."""


async def play(stage: Stage, programme: Programme, watch: Watch, say: Callable[[str], None]) -> Played:
    """Run all acts and return what was seen."""
    story = _Story(stage=stage, programme=programme, watch=watch)
    say(f"{GB} submits. The gateway of {FR} will be killed in the middle of it (SIGKILL).")
    documents = story.of_gb
    half = len(documents) // 2
    await story.submit_all(documents[:half])
    down = await story.kill()
    await story.submit_all(documents[half:])
    say(f"{FR} was killed. {len(story.acknowledged)} documents are taken; some wait for it now.")
    refusals = [await story.refuse(one) for one in programme.refusals]
    forgery = await story.forge()
    say(f"{len(refusals)} documents that must be refused, and a forged receipt, were tried. {FR} starts again.")
    await stage.processes[FR].start()
    kill = story.back(down)
    over_shared = await send_too_much(stage, programme.named(WHOLE))
    async with asyncio.TaskGroup() as group:
        group.create_task(story.submit_all(story.of_fr))
        group.create_task(story.converse())
        for asked in story.asked:
            group.create_task(story.answer(asked))
    say(f"{FR} has answered. Waiting until everything has come to rest.")
    await watch.until(story.is_at_rest)
    return Played(
        acknowledged=tuple(story.acknowledged.values()),
        not_taken=tuple(story.not_taken),
        refusals=tuple(refusals),
        kill=kill,
        forgery=forgery,
        over_shared=over_shared,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Down:
    """The moment of the kill."""

    at: datetime
    exit_code: int | None
    before: int
    arrived: int


@dataclass(slots=True, kw_only=True)
class _Story:
    """What has been submitted so far, by document, and the acts."""

    stage: Stage
    programme: Programme
    watch: Watch
    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)
    not_taken: list[NotTaken] = field(default_factory=list)

    @property
    def of_gb(self) -> list[Sample]:
        """What GB sends by itself; of the conversation, how it begins."""
        return [one for one in self._first() if one.sender == GB]

    @property
    def of_fr(self) -> list[Sample]:
        """What FR sends by itself."""
        return [one for one in self._first() if one.sender == FR]

    @property
    def asked(self) -> list[str]:
        """The names of documents that are answered outside the conversation."""
        return list(dict.fromkeys(one.answers for one in self._answers() if one.answers is not None))

    def _first(self) -> Iterable[Sample]:
        later = self.programme.conversation[1:]
        return (one for one in self.programme.documents if one.answers is None and one.name not in later)

    def _answers(self) -> Iterable[Sample]:
        return (one for one in self.programme.documents if one.answers and one.name not in self.programme.conversation)

    # ── the acts ──

    async def submit_all(self, documents: Iterable[Sample]) -> None:
        """Submit one after the other."""
        for document in documents:
            await self.submit(document)

    async def kill(self) -> _Down:
        """Kill FR as soon as its back end has one document at least."""
        backend, process = self.stage.backends[FR], self.stage.processes[FR]
        await self.watch.until(lambda: bool(backend.messages))
        before, arrived = len(self.acknowledged), len(backend.by_id)
        await process.kill()
        return _Down(at=datetime.now(UTC), exit_code=await process.ended(within=1), before=before, arrived=arrived)

    def back(self, down: _Down) -> Kill:
        """Return the whole story of the kill, FR being there again."""
        return Kill(
            party=FR,
            at=down.at,
            again=datetime.now(UTC),
            exit_code=down.exit_code,
            before=down.before,
            during=len(self.acknowledged) - down.before,
            arrived=down.arrived,
        )

    async def refuse(self, asked: MustRefuse) -> Refusal:
        """Submit what must be refused."""
        try:
            async with self.stage.submissions(asked.sender) as client:
                await client.submit(asked.raw, to=[asked.recipient])
        except ClientError as error:
            recipients = error.problem.get("recipients") or [error.problem]
            named = {violation["code"] for one in recipients for violation in one.get("violations", ())}
            return Refusal(asked=asked, code=str(recipients[0].get("code", error.code)), violations=frozenset(named))
        return Refusal(asked=asked, code="")

    async def forge(self) -> Forgery | None:
        """Post a receipt that another key signed, over the mutual TLS identity of FR.

        It is for the last document of GB, which waits; one of the conversation would hold up the rest of that, too.
        """
        waiting = [one for name, one in self.acknowledged.items() if name not in self.programme.conversation]
        if not waiting:
            return None
        last = waiting[-1]
        (certificate,) = public_certificates(self.stage.bundle(GB, FR))
        token = forge_receipt(
            certificate, issuer=FR, audience=GB, message=last.message, digest=last.digest, now=datetime.now(UTC)
        )
        status, answer = await self.stage.post(FR, GB, "/exchange/v1/receipts", token)
        async with self.stage.operations(GB) as client:
            after = await client.transfer(last.transfer)
        return Forgery(
            message=last.message,
            status=status,
            code=_code(answer) if status >= 400 or status == 0 else "",
            state=after.transfer.state,
            has_receipt=after.receipt is not None,
        )

    async def answer(self, asked: str) -> None:
        """Answer one document, once it has arrived, with all answers to it, in their order."""
        for document in (one for one in self._answers() if one.answers == asked):
            await self._reply(document)

    async def converse(self) -> None:
        """Go on with the conversation: each waits for the one before it to arrive, whoever it comes from."""
        for before, name in zip(self.programme.conversation, self.programme.conversation[1:], strict=False):
            document = self.programme.named(name)
            if document.answers is not None:
                await self._reply(document)
            elif await self._arrived(before):
                await self.submit(document)
            else:
                self.not_taken.append(NotTaken(document=document, why=f"{before} did not arrive before it"))

    def is_at_rest(self) -> bool:
        """Tell whether all that was taken is delivered, handed over, and known to be so."""
        counts = self.watch.counts
        return min(counts.delivered, counts.arrived, counts.known) >= len(self.acknowledged)

    # ── one submission ──

    async def submit(self, document: Sample, in_reply_to: MessageId | None = None) -> None:
        """Submit, and note what was answered."""
        try:
            async with self.stage.submissions(document.sender) as client:
                self.acknowledged[document.name] = await _taken(client, document, in_reply_to)
        except ClientError as error:
            self.not_taken.append(NotTaken(document=document, why=str(error)))
        else:
            self.watch.took()

    async def _reply(self, document: Sample) -> None:
        asked = document.answers or ""
        if await self._arrived(asked):
            await self.submit(document, self.acknowledged[asked].message)
        else:
            self.not_taken.append(NotTaken(document=document, why=f"{asked}, which it answers, did not arrive"))

    async def _arrived(self, name: str) -> bool:
        asked = self.acknowledged.get(name)
        if asked is None:
            return False
        backend = self.stage.backends[asked.document.recipient]
        return await self.watch.until(lambda: asked.message in backend.by_id)


async def _taken(client: SubmissionClient, document: Sample, in_reply_to: MessageId | None) -> Acknowledged:
    submission = await client.submit(document.raw, to=[document.recipient], in_reply_to=in_reply_to)
    (transfer,) = submission.transfers
    return Acknowledged(
        document=document,
        submission=submission.id,
        transfer=transfer.id,
        message=transfer.message_id,
        digest=transfer.digest,
        in_reply_to=transfer.in_reply_to,
    )


def _code(answer: str) -> str:
    """Return the code of a problem, or the whole answer where there is none."""
    try:
        return str(json.loads(answer)["code"])
    except (ValueError, KeyError, TypeError):
        return answer
