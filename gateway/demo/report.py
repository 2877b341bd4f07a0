"""A demo as one JSON object: all that is printed, with whole ids."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gateway.demo.beside import Line
from gateway.demo.history import Acknowledged, History, OverShared
from gateway.demo.show import token_file
from gateway.demo.stage import Stage
from gateway.demo.verdicts import Check
from gateway.demo.views import SHOWN, FiveViews, PartnerView


def report(
    history: History,
    checks: Sequence[Check],
    beside: Sequence[Line],
    views: FiveViews,
    stage: Stage,
    *,
    keep: bool,
) -> dict[str, Any]:
    """Return everything a demo tells, for programs. `consoles` only if they are still there."""
    told: dict[str, Any] = {
        "passed": all(check.holds for check in checks),
        "checks": [
            {
                "name": check.name,
                "claim": check.claim,
                "holds": check.holds,
                "expected": check.expected,
                "seen": check.seen,
            }
            for check in checks
        ],
        "transfers": [_transfer(history, one) for one in history.played.acknowledged],
        "refusals": [
            {"document": one.asked.name, "why": one.asked.why, "code": one.code} for one in history.played.refusals
        ],
        "views": [_view(one) for one in views.views],
        "over_shared": _over_shared(history.played.over_shared),
        "side_by_side": [asdict(line) for line in beside],
        "audit": [
            {
                "chain": party,
                "records": len(books.chain.records),
                "verdict": books.verdict,
                "second_reading": books.chain.broken or "unbroken",
                "head": books.chain.head,
            }
            for party, books in history.books.items()
        ],
    }
    if keep:
        told["consoles"] = [
            {"party": party, "url": f"{node.operations_url}/", "token_file": token_file(stage, party)}
            for party, node in stage.world.nodes.items()
        ]
    return told


def _transfer(history: History, one: Acknowledged) -> dict[str, Any]:
    standing, document = history.standing(one), one.document
    told: dict[str, Any] = {
        "id": one.transfer,
        "document": document.name,
        "kind": document.kind.value,
        "from": document.sender,
        "to": document.recipient,
        "in_reply_to": one.in_reply_to,
        "digest": one.digest,
        "state": None,
    }
    if standing is not None:
        at = standing.handed_over
        told |= {
            "state": standing.state.value,
            "attempts": standing.attempts,
            "kept": standing.kept,
            "withheld": standing.withheld,
            "receipt_verified": not standing.receipt,
            "notice_verified": not standing.notice,
            "handed_over": None if at is None else at.isoformat(),
            "answers": list(standing.answers),
        }
    return told


def _view(one: PartnerView) -> dict[str, Any]:
    return {
        "to": one.partner,
        "policy": one.title,
        "legal_basis": one.legal_basis,
        "kept": one.kept,
        "changed": one.changed,
        "withheld": one.withheld,
        "gets": dict(zip(SHOWN.values(), one.shown, strict=True)),
    }


def _over_shared(one: OverShared | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "document": one.document.name,
        "message_id": one.message,
        "status": one.status,
        "refusal_verified": not one.refusal,
    }
