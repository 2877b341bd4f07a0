"""Why a queued transfer waits. Derived whenever somebody looks, never stored: its partner may be back any moment.

What keeps a transfer waiting is either its own latest attempt, which its row tells, or that its partner can not be
reached, which the partner's health tells for all transfers at once.
"""

from collections.abc import Mapping
from dataclasses import replace

from gateway.domain.ids import PartyId
from gateway.domain.lifecycle import TransferState
from gateway.domain.records import PartnerHealth, TransferRow


def as_it_waits(row: TransferRow, partners: Mapping[PartyId, PartnerHealth]) -> TransferRow:
    """Return `row` with the partner's difficulty as its own, and its next attempt no earlier than the partner's.

    `partners`: the health of every partner ever tried. A row that does not wait for its partner comes back as it is.
    """
    health = partners.get(row.recipient)
    if row.state is not TransferState.QUEUED or health is None or not health.last_code:
        return row
    due, probe = row.next_attempt_at, health.not_before
    return replace(
        row,
        last_code=health.last_code,
        last_detail=f"{row.recipient} can not be reached: {health.last_detail or health.last_code}",
        next_attempt_at=max(due, probe) if due is not None and probe is not None else due,
    )
