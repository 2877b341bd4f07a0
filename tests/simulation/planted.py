"""Bugs that a gateway must not have, put into the product of this process one at a time.

Each is the shortest change of real code that breaks one promise. The simulation must notice every one of them; a run
without any must notice nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from sqlalchemy import bindparam, literal_column, select, update

from gateway.app import rulebook
from gateway.audit import ChainHead
from gateway.domain.jobs import Refused
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.records import AdmitStored, InboxRow, TransferRow
from gateway.envelope import statement
from gateway.envelope.compact import parse_json, parse_jws
from gateway.envelope.statement import MAX_STATEMENT_BYTES
from gateway.exchange import ask, operate
from gateway.exchange import check as checking
from gateway.ports import HandOverSettlement, Settlement
from gateway.storage import hand_overs, receiving, settling, transfers, writer
from gateway.storage.engine import Connection, Transaction
from gateway.storage.tables import DUE, transfer
from tests.simulation.plan import Plan


def acknowledge_before_commit(patch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a change is told its result as soon as it ran, before COMMIT."""
    run_changes, put = writer.Writer._run_changes, writer.Writer._ask
    waiting: list[Any] = []

    def remember(self: writer.Writer, changes: Any, *, many: bool) -> Any:
        told = put(self, changes, many=many)
        waiting[:] = [one for one in waiting if not one.told.done()]
        waiting.append(writer._Asked(changes, told.get_loop(), told, many))
        return told

    def run_and_tell(self: writer.Writer, batch: Any, connection: Connection, head: ChainHead) -> Transaction:
        transaction = run_changes(self, batch, connection, head)
        ran = {id(change) for change in batch if change.error is None}
        writer._settle([one for one in waiting if all(id(change) in ran for change in one.changes)])
        return transaction

    patch.setattr(writer.Writer, "_ask", remember)
    patch.setattr(writer.Writer, "_run_changes", run_and_tell)


def forget_the_fence(patch: pytest.MonkeyPatch) -> None:
    """A change under a lease names the row as it is now, whoever holds the lease meanwhile."""
    move, move_hand_over = settling._move, hand_overs._move

    def unfenced(connection: Connection, given: Sequence[Settlement], settled: Sequence[TransferRow]) -> bool:
        return move(connection, [_as_it_is(connection, one) for one in given], settled)

    def unfenced_hand_over(
        connection: Connection, given: Sequence[HandOverSettlement], settled: Sequence[InboxRow]
    ) -> bool:
        return move_hand_over(connection, [_hand_over_as_it_is(connection, one) for one in given], settled)

    patch.setattr(settling, "_move", unfenced)
    patch.setattr(hand_overs, "_move", unfenced_hand_over)


def _as_it_is(connection: Connection, given: Settlement) -> Settlement:
    found = None if given.fence is None else connection.one(settling._ONE, {"id": given.row.id})
    return given if found is None else replace(given, row=replace(given.row, version=found["version"]), fence=None)


def _hand_over_as_it_is(connection: Connection, given: HandOverSettlement) -> HandOverSettlement:
    if given.fence is None:
        return given
    found = hand_overs.read_fence(connection, given.row.message_id, given.row.sender)
    assert found is not None
    return replace(given, row=replace(given.row, hand_over_version=found[0].hand_over_version), fence=None)


def judge_before_looking_up(patch: pytest.MonkeyPatch) -> None:
    """A receiver acts on its judgement first, and looks for a stored receipt only if that was good."""
    decide = receiving._decide

    def judged_first(connection: Connection, judgement: receiving.Judgement, finals: Any) -> Any:
        result = judgement.result
        if isinstance(result, Refused):
            receiving._write_refusal(connection, result, judgement.now)
            said = result.receipt
            stored = AdmitStored(token=result.receipt_token, verdict=said.verdict, code=said.code)
            return receiving._Decided(stored, [judgement.audit])
        return decide(connection, judgement, finals)

    patch.setattr(receiving, "_decide", judged_first)


def believe_any_digest(patch: pytest.MonkeyPatch) -> None:
    """A receipt counts for a message that it names, whatever digest it names."""
    verify = statement.verify_receipt

    def unbound(token: str, **given: Any) -> Any:
        said = statement._read_receipt(parse_json(parse_jws(token, max_bytes=MAX_STATEMENT_BYTES).payload))
        return verify(token, **{**given, "digest": said.digest})

    patch.setattr(checking, "verify_receipt", unbound)


def ignore_order_on_requeue(patch: pytest.MonkeyPatch) -> None:
    """A dead letter lets those behind it go, and when it is requeued it goes after them."""
    settle_all = settling._settle_all

    def let_all_go(transaction: Transaction, given: Sequence[Settlement], *, again: bool) -> list[TransferRow]:
        settled = settle_all(transaction, given, again=again)
        for one, row in zip(given, settled, strict=True):
            if row.state is TransferState.DEAD_LETTERED or one.event is TransferEvent.REQUEUED:
                place = {"of_conversation": row.conversation, "of_recipient": row.recipient}
                transaction.connection.run(_ALL_MAY_GO, place)
        return settled

    patch.setattr(settling, "_settle_all", let_all_go)
    patch.setattr(transfers, "_DUE", _DUE_OUT_OF_ORDER)


_ALL_MAY_GO: Final = (
    update(transfer)
    .where(transfer.c.conversation == bindparam("of_conversation"), transfer.c.recipient == bindparam("of_recipient"))
    .values(head=1)
)
_DUE_OUT_OF_ORDER: Final = (
    select(transfer)
    .where(
        transfer.c.recipient == bindparam("recipient"),
        transfer.c.lane == bindparam("lane"),
        transfer.c.next_attempt_at <= bindparam("now"),
        literal_column(DUE),
    )
    .order_by(transfer.c.next_attempt_at, transfer.c.id)
    .limit(bindparam("limit"))
)


def keep_the_audit_head(patch: pytest.MonkeyPatch) -> None:
    """Taking back a change leaves the head of the audit chain where the change had brought it."""

    def restore(transaction: Transaction, mark: tuple[Any, int]) -> None:
        del transaction.records[mark[1] :]

    patch.setattr(Transaction, "restore", restore)


def believe_any_line(patch: pytest.MonkeyPatch) -> None:
    """A receipt counts for whatever line of an answer it stands in, be it another message's."""
    verify = statement.verify_receipt

    def displaced(token: str, **given: Any) -> Any:
        said = statement._read_receipt(parse_json(parse_jws(token, max_bytes=MAX_STATEMENT_BYTES).payload))
        if said.message_id == given["message_id"]:
            return verify(token, **given)
        return verify(token, **{**given, "message_id": said.message_id, "digest": said.digest})

    patch.setattr(checking, "verify_receipt", displaced)


def send_what_expired(patch: pytest.MonkeyPatch) -> None:
    """A dead letter is requeued as it is, though its message expired."""
    patch.setattr(operate.Operate, "_is_over", lambda _self, _row: False)


def send_under_what_ended(patch: pytest.MonkeyPatch) -> None:
    """A claim does not ask whether the agreement of a transfer is still in force."""
    patch.setattr(
        rulebook.RulesInForce, "in_force", lambda self, _now: frozenset(one.sha256 for one in self.agreements())
    )


def supersede_without_asking(patch: pytest.MonkeyPatch) -> None:
    """What expired is made anew at once, whatever the partner may have of it."""

    async def unasked(_self: ask.Ask, row: TransferRow) -> TransferRow:
        return row

    patch.setattr(ask.Ask, "until_known", unasked)
    patch.setattr(TransferRow, "outcome_known", True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One bug: how it is planted, and in which runs it can show at all.

    `from_seed`: where to begin looking, shortly before the seed that once showed a bug that few do. All seeds are looked
    at before it counts as not found.
    """

    plant: Callable[[pytest.MonkeyPatch], None]
    shows: Callable[[Plan], bool] = lambda _: True
    from_seed: int = 1


BUGS: Final[Mapping[str, Bug]] = {
    "acknowledging before commit": Bug(
        plant=acknowledge_before_commit, shows=lambda plan: plan.faults.commit_lost > 0 or plan.faults.outages > 0
    ),
    "no fencing token": Bug(
        plant=forget_the_fence,
        shows=lambda plan: plan.faults.stalls > 0 and plan.faults.backend_fails + plan.faults.backend_forgets > 0,
        from_seed=200,
    ),
    "dedupe after admit": Bug(
        plant=judge_before_looking_up,
        shows=lambda plan: (
            plan.faults.suspensions > 0 and plan.faults.lost_after + plan.faults.twice + plan.faults.reset > 0
        ),
    ),
    "a receipt that is not bound to the digest": Bug(
        plant=believe_any_digest, shows=lambda plan: plan.faults.forged > 0
    ),
    "order ignored on requeue": Bug(plant=ignore_order_on_requeue, shows=lambda plan: plan.faults.acts > 0),
    "a savepoint that does not restore the audit head": Bug(
        plant=keep_the_audit_head, shows=lambda plan: plan.faults.damaged > 0
    ),
    "a receipt that counts for any line of a batch": Bug(
        plant=believe_any_line, shows=lambda plan: plan.faults.forged_lines > 0
    ),
    "an expired message that is sent again": Bug(plant=send_what_expired, shows=lambda plan: plan.lifetime is not None),
    "sending under an agreement that ended": Bug(
        plant=send_under_what_ended, shows=lambda plan: plan.faults.renewals > 0
    ),
    "superseding without asking": Bug(
        plant=supersede_without_asking, shows=lambda plan: plan.lifetime is not None and bool(plan.later)
    ),
}
