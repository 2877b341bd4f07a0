"""The view beside its original: every value of the document, whether it left, and the rule that decided. Pure.

For people who may see documents, after they have said why (`show.py`). What left is read from the signed message itself
and not made again, so the page shows what the partner got; of a transfer that is held unsigned, what it would get.
Both sides are walked in document order: a view is the original without what was withheld, so its n-th value is the n-th
that the policy keeps.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from gateway.document import leaves, read
from gateway.domain.records import TransferRow
from gateway.envelope import payload_of
from gateway.errors import AgreementError, GatewayError
from gateway.exchange.desk import Desk, held_view_row, submission_row, transfer_row
from gateway.policy import Explained, explain
from gateway.schema import validate

__all__ = ["Beside", "BesideJob", "Leaf", "beside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideJob:
    """What is to be shown. `original` or `view` None: it is no longer kept."""

    row: TransferRow
    original: bytes | None
    view: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One value. `original` None: the original is gone. `sent` None: withheld, by `rule`, or why else (`note`)."""

    path: str
    original: str | None = field(repr=False)
    sent: str | None = field(repr=False)
    rule: str = ""
    reason: str = ""
    legal: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """All values, in document order. `policy`: where its rules stand; empty when this node no longer holds it.

    `agrees`: what left is what the policy says; where it is not, `sent` can not be told value by value.
    """

    leaves: tuple[Leaf, ...] = field(repr=False)
    has_original: bool
    has_view: bool
    policy: str
    agrees: bool = True


def beside(job: BesideJob, desk: Desk) -> Beside:
    """Return the view beside its original. Raises GatewayError when what is kept can not be unsealed or read."""
    row = job.row
    original = None if job.original is None else desk.sealer.unseal(job.original, row=submission_row(row.submission_id))
    view = None if job.view is None else _view(row, job.view, desk)
    sent = [] if view is None else list(leaves(read(view, desk.limits).root))
    if original is None:
        only = tuple(Leaf(path=path, original=None, sent=value) for path, value in sent)
        return Beside(leaves=only, has_original=False, has_view=view is not None, policy="")
    held = list(leaves(read(original, desk.limits).root))
    policy, rulings = _rulings(row, original, desk)
    if not policy or view is None:
        alone = (Leaf(path=path, original=value, sent=None) for path, value in held)
        return Beside(leaves=tuple(alone), has_original=True, has_view=view is not None, policy=policy)
    pairs = tuple(_pairs(held, rulings, iter(sent)))
    agrees = sum(one.sent is not None for one in pairs) == len(sent) and all(map(_fits, pairs, rulings))
    return Beside(leaves=pairs, has_original=True, has_view=True, policy=policy, agrees=agrees)


def _view(row: TransferRow, sealed: bytes, desk: Desk) -> bytes:
    """Return the view of a transfer: out of its signed message, or as it is held unsigned."""
    if not row.signed:
        return desk.sealer.unseal(sealed, row=held_view_row(row.id))
    return payload_of(desk.sealer.unseal(sealed, row=transfer_row(row.id)))


def _rulings(row: TransferRow, original: bytes, desk: Desk) -> tuple[str, list[Explained]]:
    """Return the policy's file and what its rules say of each value; nothing when that version is no longer held."""
    try:
        agreement = desk.agreements.version(row.agreement.id, row.agreement.version)
        flow = agreement.flow(row.sender, row.recipient, row.kind)
        if agreement.sha256 != row.agreement.sha256 or flow is None:
            raise AgreementError("agreement.mismatch")
        policy, compiled = desk.policies[flow.policy_sha256], desk.sets[flow.schema_set]
        return PurePath(policy.policy.file).name, explain(validate(read(original, desk.limits), compiled), policy)
    except (GatewayError, KeyError):
        return "", []


def _pairs(held: list[tuple[str, str]], rulings: list[Explained], sent: Iterator[tuple[str, str]]) -> Iterator[Leaf]:
    for (path, value), ruling in zip(held, rulings, strict=True):
        yield Leaf(
            path=path,
            original=value,
            sent=next(sent, ("", None))[1] if ruling.kept else None,
            rule=PurePath(ruling.rule).name,  # where the file lies on this machine is nobody's business
            reason=ruling.reason,
            legal=ruling.legal,
            note=ruling.note,
        )


def _fits(leaf: Leaf, ruling: Explained) -> bool:
    """Tell whether a value went where the rules keep it, as it was unless they change it, and else not at all."""
    if leaf.path != ruling.path or not ruling.kept:
        return leaf.path == ruling.path and leaf.sent is None
    return leaf.sent is not None and (ruling.changed or leaf.sent == leaf.original)
