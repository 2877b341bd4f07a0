"""Two sides joined without HTTP: real stores, workers, rules and keys; a channel that calls the other side's `Receive`.

For tests of the use cases themselves. Whole gateways over mutual TLS are in `tests/world.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.app import Snapshot, rulebook_of
from gateway.bundled import schema_folder
from gateway.demo.layout import NodeLayout, copy_agreement, lay_out
from gateway.domain.failpoint import Reach, pass_by
from gateway.domain.ids import ClientId, MessageId, PartyId
from gateway.domain.limits import MAX_BATCH_ENVELOPES
from gateway.domain.outcome import (
    HandedOver,
    HandOverOutcome,
    ReceiptReturned,
    SendOutcome,
    TransientFailure,
    TransportAccepted,
)
from gateway.domain.records import InboxRow
from gateway.exchange.arrivals import Arrivals
from gateway.exchange.ask import Ask
from gateway.exchange.asked import Asked
from gateway.exchange.batches import run_admit, run_check, run_seal
from gateway.exchange.desk import Desk
from gateway.exchange.dispatch import Dispatch, DispatchLimits
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.ended import HoldEnded
from gateway.exchange.fast_path import FastPath
from gateway.exchange.follow_up import FollowUp, FollowUpLimits
from gateway.exchange.give_back import GiveBack
from gateway.exchange.hand_over import HandOver, HandOverLimits
from gateway.exchange.holds import Holds
from gateway.exchange.operate import Operate
from gateway.exchange.receive import Receive
from gateway.exchange.settle import Settle
from gateway.exchange.submit import Submit, SubmitRequest
from gateway.exchange.supersede import Supersede
from gateway.exchange.sweep import Sweep
from gateway.settings import Configuration, load_configuration
from gateway.storage import SqliteStore
from gateway.system import SystemIds
from gateway.workers import InlineWorkers, JobTable
from tests.desks import desk_of
from tests.held import run_prepare_and_hold

GB = PartyId("GB-HMRC")
FR = PartyId("FR-DGDDI")
CLIENT = ClientId("national-system")


class SteeredClock:
    """Wall time that a test moves forward."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return self.now().timestamp()


class QuietTelemetry:
    """Keeps lines for a test to look at."""

    def __init__(self) -> None:
        self.lines: list[dict[str, object]] = []

    def line(
        self, action: str, *, outcome: str, duration: timedelta | None = None, code: str = "", **labels: str | int
    ) -> None:
        self.lines.append({"action": action, "outcome": outcome, "code": code, "duration": duration, **labels})


@dataclass(kw_only=True)
class Line:
    """The way to the other side for what is not dispatched; the pair joins it."""

    pair: "Pair | None" = None

    async def post_receipt(self, recipient: PartyId, token: str) -> SendOutcome:
        raise NotImplementedError

    async def fetch_receipt(self, recipient: PartyId, message_id: MessageId) -> SendOutcome:
        assert self.pair is not None
        return await self.pair.fetch_receipt(recipient, message_id)


@dataclass(kw_only=True)
class Side:
    """One side's store and use cases."""

    store: SqliteStore
    workers: InlineWorkers[Snapshot, Desk]
    desk: Desk
    fast_path: FastPath
    arrivals: Arrivals
    submit: Submit
    settle: Settle
    receive: Receive
    asked: Asked
    ask: Ask
    supersede: Supersede
    follow_up: FollowUp
    operate: Operate
    holds: Holds
    sweep: Sweep
    bells: Doorbells


@dataclass(kw_only=True)
class Pair:
    """Both sides. `script`, if set, answers instead of the partner; `sent` lists what was sent, `questions` what was asked after. `out_of_reach`, if set,
    is what comes of any connection that GB tries; `answer`, if set, of any question; `pinged` counts those that carried no message, `requests` how many messages each of the others did."""

    clock: SteeredClock
    telemetry: QuietTelemetry
    folder: Path
    config: Mapping[PartyId, NodeLayout]
    gb: Side
    fr: Side
    line: Line
    script: Callable[[str], SendOutcome | None] = lambda _jwe: None
    sent: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    out_of_reach: TransientFailure | None = None
    answer: SendOutcome | None = None
    pinged: int = 0
    requests: list[int] = field(default_factory=list)
    handed_over: list[tuple[InboxRow, bytes]] = field(default_factory=list)
    backend: Callable[[InboxRow], HandOverOutcome] = lambda _row: HandedOver()
    backend_takes: int = 1
    groups: list[list[InboxRow]] = field(default_factory=list)

    async def reload(self) -> None:
        """Have both sides follow what their files say now, over the same stores."""
        for party, before in ((GB, self.gb), (FR, self.fr)):
            await before.workers.close()
            after = await _side(
                load_configuration(self.config[party].config), self.clock, self.telemetry, before.store, self.line
            )
            for member in fields(Side):
                setattr(before, member.name, getattr(after, member.name))

    async def shorten(self) -> None:
        """Have messages live 30 hours, so that one can expire while keys and revocation lists do not."""
        file = self.folder / "config" / "agreements" / "gb-fr.yaml"
        text = file.read_text(encoding="utf-8")
        assert "message_lifetime: 7d" in text
        file.write_text(text.replace("message_lifetime: 7d", "message_lifetime: 30h"), encoding="utf-8")
        await self.reload()

    async def send(self, recipient: PartyId, message_id: MessageId, jwe: str) -> SendOutcome:
        """Be the channel from GB to FR."""
        assert recipient == FR
        self.sent.append(message_id)
        scripted = self.out_of_reach or self.script(jwe)
        if scripted is not None:
            return scripted
        answer = await self.fr.receive(jwe, channel_party=GB)
        if answer.token is None:
            return TransientFailure(code=answer.code, detail="", sent=True, connected=True)
        return ReceiptReturned(token=answer.token)

    def takes(self, recipient: PartyId) -> int:
        assert recipient == FR
        return 64

    async def send_batch(self, recipient: PartyId, envelopes: Sequence[tuple[MessageId, str]]) -> list[SendOutcome]:
        """Be the channel for several messages, each of which the script may answer otherwise."""
        self.requests.append(len(envelopes))
        return await asyncio.gather(*(self.send(recipient, message_id, jwe) for message_id, jwe in envelopes))

    async def fetch_receipt(self, recipient: PartyId, message_id: MessageId) -> SendOutcome:
        """Be the way on which GB asks FR what became of a message."""
        assert recipient == FR
        self.questions.append(message_id)
        said = self.out_of_reach or self.answer
        if said is not None:
            return said
        answer = await self.fr.asked(message_id, channel_party=GB, to=FR)
        return TransportAccepted() if answer is None else ReceiptReturned(token=answer)

    async def post_receipt(self, recipient: PartyId, token: str) -> SendOutcome:
        raise NotImplementedError

    async def ping(self, recipient: PartyId) -> SendOutcome:
        """Be the way on which GB reaches FR without a message."""
        assert recipient == FR
        self.pinged += 1
        return self.out_of_reach or TransportAccepted()

    async def post_notices(self, recipient: PartyId, notices: Sequence[tuple[MessageId, str]]) -> list[SendOutcome]:
        raise NotImplementedError

    async def hand_over(self, row: InboxRow, view: bytes) -> HandOverOutcome:
        """Be the back end of FR."""
        outcome = self.backend(row)
        if isinstance(outcome, HandedOver):
            self.handed_over.append((row, view))
        return outcome

    @asynccontextmanager
    async def dispatching(
        self,
        *,
        parallel: int = 4,
        lease: timedelta = timedelta(seconds=90),
        reached_for: timedelta = timedelta(milliseconds=100),
        catch_up: int = 1000,
        batch: int = MAX_BATCH_ENVELOPES,
    ) -> AsyncIterator[None]:
        """Send from GB while the block runs. `catch_up` and `batch`: the settings of FR at GB."""
        poll = timedelta(milliseconds=20)
        limits = DispatchLimits(requests=parallel, lease=lease, poll=poll, reached_for=reached_for)
        dispatch = Dispatch(
            store=self.gb.store,
            workers=self.gb.workers,
            channel=self,
            agreements=self.gb.desk.agreements,
            settle=self.gb.settle,
            clock=self.clock,
            ids=SystemIds(),
            bells=self.gb.bells,
            telemetry=self.telemetry,
            fast_path=self.gb.fast_path,
            limits=limits,
            partner_limits={FR: replace(limits, batch=batch)},
            catch_up={FR: catch_up},
        )
        async with _running(dispatch.serve(FR)):
            yield

    @asynccontextmanager
    async def handing_over(
        self, limits: HandOverLimits | None = None, *, reach: Reach = pass_by
    ) -> AsyncIterator[None]:
        """Hand over at FR while the block runs."""
        hand_over = HandOver(
            store=self.fr.store,
            channel=_BackEndOf(pair=self),
            sealer=self.fr.desk.sealer,
            clock=self.clock,
            ids=SystemIds(),
            bells=self.fr.bells,
            telemetry=self.telemetry,
            limits=limits or HandOverLimits(poll=timedelta(milliseconds=20)),
            arrivals=self.fr.arrivals,
            reach=reach,
        )
        give_back = GiveBack(
            store=self.fr.store,
            fast_path=self.fr.fast_path,
            arrivals=self.fr.arrivals,
            clock=self.clock,
            bells=self.fr.bells,
            telemetry=self.telemetry,
            every=timedelta(milliseconds=20),
        )
        async with _running(hand_over.serve(FR)), _running(give_back.serve()):
            yield


@dataclass(frozen=True, slots=True, kw_only=True)
class _BackEndOf:
    """The way to the back end of FR, which takes as many messages together as the pair says."""

    pair: Pair

    def takes(self, recipient: PartyId) -> int:
        assert recipient == FR
        return self.pair.backend_takes

    async def hand_over(self, row: InboxRow, view: bytes) -> HandOverOutcome:
        return await self.pair.hand_over(row, view)

    async def hand_over_group(self, messages: Sequence[tuple[InboxRow, bytes]]) -> list[HandOverOutcome]:
        self.pair.groups.append([row for row, _ in messages])
        return [await self.pair.hand_over(row, view) for row, view in messages]


@asynccontextmanager
async def _running(loop: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(loop)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def desk_pair(folder: Path) -> AsyncIterator[Pair]:
    """Lay out GB and FR in `folder` and open both sides. A document that says so is held, as a rule would have it."""
    clock, telemetry = SteeredClock(), QuietTelemetry()
    world = lay_out(folder, [GB, FR], agreements=copy_agreement("gb-fr", folder / "config"), now=clock.now())
    line = Line()
    sides = {party: await _open(world.nodes[party].config, clock, telemetry, line) for party in (GB, FR)}
    try:
        pair = Pair(
            clock=clock,
            telemetry=telemetry,
            folder=folder,
            config=world.nodes,
            gb=sides[GB],
            fr=sides[FR],
            line=line,
        )
        line.pair = pair
        yield pair
    finally:
        for side in sides.values():
            await side.workers.close()
            await side.store.close()


async def _open(config: Path, clock: SteeredClock, telemetry: QuietTelemetry, line: Line) -> Side:
    configuration = load_configuration(config)
    settings = configuration.node
    store = await SqliteStore.open(settings.data_dir / "gateway.db", chain=settings.name)
    return await _side(configuration, clock, telemetry, store, line)


async def _side(
    configuration: Configuration, clock: SteeredClock, telemetry: QuietTelemetry, store: SqliteStore, line: Line
) -> Side:
    """Join a side over its store, by these rules."""
    snapshot = Snapshot(generation=1, settings=configuration.node, rulebook=rulebook_of(configuration))
    table = JobTable(prepare=run_prepare_and_hold, seal=run_seal, admit=run_admit, check=run_check)
    ids, bells, desk = SystemIds(), Doorbells(), desk_of(snapshot)
    workers = InlineWorkers(setup=lambda _: desk, snapshot=snapshot, table=table)
    await workers.start()
    fast_path = FastPath(agreements=snapshot.rulebook, clock=clock, bells=bells, lease=DispatchLimits().lease)
    arrivals = Arrivals(clock=clock, bells=bells, lease=HandOverLimits().lease)
    own = [party.id for party in configuration.node.parties]
    settle = Settle(store=store, workers=workers, clock=clock)
    ask = Ask(store=store, workers=workers, channel=line, settle=settle, clock=clock, telemetry=telemetry)
    supersede = Supersede(store=store, workers=workers, sealer=desk.sealer, ask=ask, clock=clock, ids=ids, bells=bells)
    return Side(
        store=store,
        workers=workers,
        desk=desk,
        fast_path=fast_path,
        arrivals=arrivals,
        submit=Submit(store=store, workers=workers, clock=clock, ids=ids, bells=bells, fast_path=fast_path),
        settle=settle,
        asked=Asked(store=store, trust=desk.trust, clock=clock, ids=ids, own=own),
        ask=ask,
        receive=Receive(
            store=store,
            workers=workers,
            trust=desk.trust,
            clock=clock,
            ids=ids,
            bells=bells,
            telemetry=telemetry,
            arrivals=arrivals,
        ),
        operate=Operate(store=store, ask=ask, supersede=supersede, clock=clock, bells=bells),
        holds=Holds(
            store=store,
            workers=workers,
            agreements=snapshot.rulebook,
            sealer=desk.sealer,
            clock=clock,
            ids=ids,
            bells=bells,
            supersede=supersede,
        ),
        supersede=supersede,
        follow_up=FollowUp(
            store=store,
            ask=ask,
            supersede=supersede,
            clock=clock,
            bells=bells,
            telemetry=telemetry,
            limits=FollowUpLimits(poll=timedelta(milliseconds=20)),
        ),
        sweep=Sweep(
            store=store,
            clock=clock,
            bells=bells,
            telemetry=telemetry,
            ended=HoldEnded(
                store=store,
                in_force=snapshot.rulebook.in_force,
                stopped=snapshot.rulebook.stopped,
                telemetry=telemetry,
            ),
            every=timedelta(seconds=1),
            purge_every=timedelta(hours=1),
        ),
        bells=bells,
    )


def sample(name: str = "import-two-items.xml") -> bytes:
    """Return a valid sample of the project."""
    return (schema_folder() / "samples" / "valid" / name).read_bytes()


def request(
    body: bytes | None = None, *, key: str = "key-1", to: tuple[PartyId, ...] = (FR,), case: str | None = None
) -> SubmitRequest:
    return SubmitRequest(
        client=CLIENT,
        sender=GB,
        recipients=to,
        body=sample() if body is None else body,
        idempotency_key=key,
        conversation_key=case,
    )


async def until(condition: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Wait until `condition` holds; it may be asynchronous. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.01)
