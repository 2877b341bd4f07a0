"""The people and systems around the gateways: clients that never give up, operators who act at random, or tidy up."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from gateway.domain.ids import ClientId, MessageId, TransferId
from gateway.domain.lifecycle import HandOverState, TransferState
from gateway.errors import GatewayError
from gateway.exchange.submit import SubmitRequest
from tests.simulation.machine import Machine
from tests.simulation.node import SimulatedNode
from tests.simulation.parts import document
from tests.simulation.plan import Submission
from tests.simulation.trace import Trace, short

CLIENT: Final = ClientId("national-system")
_TRIES: Final = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a client was told when its document was acknowledged."""

    submission: Submission
    submission_id: str
    transfer_id: str
    message_id: str
    digest: str
    conversation: str
    sequence: int


class GoneError(Exception):
    """The node was gone before it answered, or too slow."""


async def call(node: SimulatedNode | None, work: Coroutine[Any, Any, Any], *, within: float = 8.0) -> Any:
    """Have a node do something and return what comes of it. Raises GoneError, and what `work` raises.

    The work is the node's own: it dies with it, and goes on when whoever asked stops waiting.
    """
    if node is None:
        work.close()
        raise GoneError
    task = node.owner.spawn(work)
    done, _ = await asyncio.wait({task}, timeout=within)
    if not done:
        task.add_done_callback(_heard_by_nobody)
        raise GoneError
    if task.cancelled():
        raise GoneError
    return task.result()


def _heard_by_nobody(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


class Clients:
    """All clients. `told`: every acknowledgement that reached one."""

    def __init__(self, chance: Random, trace: Trace) -> None:
        self.told: list[Told] = []
        self.unanswered: list[str] = []
        self._chance = chance
        self._trace = trace

    async def submit(self, machine: Machine, one: Submission) -> None:
        """Ask until the outcome is known."""
        await asyncio.sleep(one.at)
        for _ in range(_TRIES):
            at_once = 2 if one.twice else 1
            known = await asyncio.gather(*(self._ask(machine, one) for _ in range(at_once)))
            if any(known):
                return
            await asyncio.sleep(self._chance.uniform(0.5, 3.0))
        self.unanswered.append(one.key)

    async def _ask(self, machine: Machine, one: Submission) -> bool:
        request = SubmitRequest(
            client=CLIENT,
            sender=one.sender,
            recipients=(one.recipient,),
            body=document(one.sample, one.marker),
            idempotency_key=one.key,
            conversation_key=one.case,
        )
        self._trace.say("client", "submits", key=one.key, to=machine.name, case=one.case)
        node = machine.node
        try:
            row, replayed = await call(node, node.use.submit(request) if node else _nothing())
        except GoneError:
            self._trace.say("client", "got no answer", key=one.key)
            return False
        except GatewayError as error:
            self._trace.say("client", "got a refusal", key=one.key, code=error.code)
            return False
        (transfer,) = row.transfers
        if self._chance.random() < 0.05:
            self._trace.say("client", "lost the answer", key=one.key)
            return False
        self._trace.say("client", "is told", key=one.key, message=short(transfer.message_id), replayed=replayed)
        self.told.append(
            Told(
                submission=one,
                submission_id=row.id,
                transfer_id=transfer.id,
                message_id=transfer.message_id,
                digest=transfer.digest,
                conversation=transfer.conversation,
                sequence=transfer.sequence,
            )
        )
        return True


async def _nothing() -> None:
    """Stand where nobody is there to ask."""


_FITTING: Final = {
    TransferState.QUEUED: ("hold", "cancel"),
    TransferState.HELD: ("release", "cancel", "skip"),
    TransferState.AWAITING_RECEIPT: ("cancel",),
    TransferState.DEAD_LETTERED: ("requeue", "requeue", "cancel", "skip"),
}


class Operators:
    """Operators and officers of both gateways."""

    def __init__(self, chance: Random, trace: Trace) -> None:
        self._chance = chance
        self._trace = trace

    async def act(self, machine: Machine) -> None:
        """Do one thing to one transfer or hand-over, whatever it is."""
        node = machine.node
        try:
            if node is None:
                return
            state = self._chance.choice(tuple(_FITTING))
            rows = await call(node, node.store.transfers(limit=100, state=state))
            rows = rows or await call(node, node.store.transfers(limit=20))
            if not rows:
                return
            row = self._chance.choice(rows)
            # Mostly what fits, and now and then what does not.
            fitting = _FITTING.get(row.state, ()) if self._chance.random() < 0.8 else ()
            act = self._chance.choice(fitting or ("hold", "release", "cancel", "requeue", "skip"))
            await self._do(machine, node, act, row.id)
            if self._chance.random() < 0.3:
                await self._release_quarantined(machine, node)
        except GoneError:
            return

    async def drain(self, machine: Machine, seconds: float) -> None:
        """Drain a node for a while; a restart ends it earlier, and whoever tidies up ends it at last."""
        node = machine.node
        if node is None:
            return
        with suppress(GoneError):
            await self._try(machine, "drains", "", node, node.use.drain.begin(operator="olga", reason="an upgrade"))
        await asyncio.sleep(seconds)
        for _ in range(_TRIES):
            if machine.node is not node or await self._resume(machine, node):
                return
            await asyncio.sleep(1.0)

    async def _resume(self, machine: Machine, node: SimulatedNode) -> bool:
        try:
            work = node.use.drain.end(operator="olga", reason="done")
            return await self._try(machine, "ends a drain", "", node, work)
        except GoneError:
            return False

    async def race(self, machine: Machine, message_id: MessageId, after: float) -> None:
        """Act on a transfer whose receipt arrives at this moment."""
        await asyncio.sleep(after)
        node = machine.node
        try:
            if node is None or (row := await call(node, node.store.transfer_by_message(message_id))) is None:
                return
            self._trace.say("operator", f"races a late receipt at {machine.name}", about=short(row.id), state=row.state)
            act = self._chance.choice(_FITTING.get(row.state, ("requeue",)))
            await self._do(machine, node, act, row.id)
        except GoneError:
            return

    async def tidy(self, machine: Machine) -> None:
        """Let go whatever waits for a person."""
        node = machine.node
        try:
            if node is None:
                return
            await self._resume(machine, node)
            for state, act in ((TransferState.HELD, "release"), (TransferState.DEAD_LETTERED, "requeue")):
                for row in await call(node, node.store.transfers(limit=100, state=state, oldest_first=True)):
                    if not row.skipped and not await self._do(machine, node, act, row.id):
                        await self._do(machine, node, "skip", row.id)
            await self._release_quarantined(machine, node)
        except GoneError:
            return

    async def _release_quarantined(self, machine: Machine, node: SimulatedNode) -> None:
        for row in await call(node, node.store.inbox(limit=100, state=HandOverState.QUARANTINED)):
            work = node.use.operate.release(
                MessageId(row.message_id), sender=row.sender, operator="olga", reason="it works again"
            )
            await self._try(machine, "releases the hand-over of", row.message_id, node, work)

    async def _do(self, machine: Machine, node: SimulatedNode, act: str, transfer_id: TransferId) -> bool:
        """Act on one transfer, and tell whether that was let through."""
        operate, holds = node.use.operate, node.use.holds
        work: Coroutine[Any, Any, Any]
        match act:
            case "hold":
                work = holds.hold(transfer_id, operator="olga", reason="to be looked at")
            case "release":
                work = holds.release(transfer_id, officer="oscar", reason="it is in order")
            case "cancel":
                work = operate.cancel(transfer_id, operator="olga", reason="sent in error")
            case "skip":
                work = operate.skip(transfer_id, operator="olga", reason="no longer wanted")
            case _:
                work = operate.requeue(transfer_id, operator="olga", reason="try again")
        return await self._try(machine, f"{act}s", transfer_id, node, work)

    async def _try(
        self, machine: Machine, what: str, about: str, node: SimulatedNode, work: Coroutine[Any, Any, Any]
    ) -> bool:
        try:
            await call(node, work)
        except GatewayError as error:
            self._trace.say("operator", f"{what} at {machine.name}, refused", about=short(about), code=error.code)
            return False
        self._trace.say("operator", f"{what} at {machine.name}", about=short(about))
        return True
