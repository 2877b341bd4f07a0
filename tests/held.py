"""A rule that holds, for tests of what follows: documents that carry MARK wait for a person.

What `prepare` signed is taken apart again and sealed unsigned, just as `prepare` does for a rule of a real profile.
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.jobs import PreparedSubmission, PreparedTransfer, PrepareJob, PrepareResult
from gateway.envelope import payload_of
from gateway.errors import Violation
from gateway.exchange.desk import Desk, held_view_row, transfer_row
from gateway.exchange.prepare import prepare

MARK = b"<!-- a person should see this -->"
REASON = Violation(
    code="test.seldom_seen",
    path="/MetaData/Declaration/GoodsShipment",
    message="Shipments of this kind are seldom seen",
)


def marked(document: bytes) -> bytes:
    """Return a document that is held. The mark is a comment, so it never reaches a view."""
    return document.rstrip() + MARK


def run_prepare_and_hold(jobs: Sequence[PrepareJob], desk: Desk) -> list[PrepareResult]:
    """Prepare as a node does, and hold what is marked."""
    return [_held(prepare(job, desk), job, desk) for job in jobs]


def _held(result: PrepareResult, job: PrepareJob, desk: Desk) -> PrepareResult:
    if not isinstance(result, PreparedSubmission) or MARK not in job.body or job.approved is not None:
        return result
    return replace(result, transfers=tuple(_unsigned(one, desk) for one in result.transfers))


def _unsigned(transfer: PreparedTransfer, desk: Desk) -> PreparedTransfer:
    name, agreed = transfer.slot.transfer_id, transfer.header.agreement
    view = payload_of(desk.sealer.unseal(transfer.sealed, row=transfer_row(name)))
    return replace(
        transfer,
        digest="",
        sealed=desk.sealer.seal(view, row=held_view_row(name)),
        deadline=transfer.header.expires,
        held_for=(REASON,),
        approvals=desk.agreements.version(agreed.id, agreed.version).release_approvals,
    )
