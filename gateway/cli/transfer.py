"""`gateway transfer`: watch and steer transfers through the operations API."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.many import count_held, release_many, requeue_many
from gateway.cli.output import (
    AsJson,
    clock,
    facts_words,
    minute,
    payload_words,
    print_json,
    print_lines,
    print_table,
    say,
    violation_lines,
    with_difficulty,
)
from gateway.cli.target import Ca, Config, Target, TokenFile, TokenText, Url, calling, operations
from gateway.domain.hold import HeldQuery, HoldCause
from gateway.domain.ids import PartyId, TransferId
from gateway.domain.lifecycle import TransferState

if TYPE_CHECKING:
    from gateway.client import OperatorsHold, Transfer, TransferDetail

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Transfers: list, show, hold, release, requeue, skip, cancel.")

TransferArgument = Annotated[str, typer.Argument(help="Id of the transfer.", metavar="ID")]
Reason = Annotated[str, typer.Option("--reason", help="Why; stands in the audit trail with your name.")]

_UNTIL_IN_FORCE = "an officer releases it once the agreement is in force again; until then a release is refused"


@app.command("list")
def list_transfers(
    state: Annotated[TransferState | None, typer.Option(help="Only in this state.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Only to this partner.")] = None,
    reference: Annotated[
        str | None, typer.Option(help="Only with this reference: mrn:VALUE, lrn:VALUE or ucr:VALUE.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=200)] = 50,
    before: Annotated[str | None, typer.Option(help="Only older ones than this id.")] = None,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List transfers, newest first."""
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "tuple[tuple[Transfer, ...], TransferId | None]":
        async with operations(target) as client:
            return await client.transfers(
                state=state,
                recipient=None if recipient is None else PartyId(recipient),
                reference=reference,
                limit=limit,
                before=None if before is None else TransferId(before),
            )

    rows, following = calling(work, as_json=as_json)
    if as_json:
        for row in rows:
            print_json(transfer_json(row))
        return
    print_table(
        "",
        ("Transfer", "State", "Kind", "To", "Created"),
        [
            (row.id, with_difficulty(row.state.value, row.code), row.kind.value, row.recipient, minute(row.created))
            for row in rows
        ],
    )
    if following is not None:
        say(f"More: --before {following}")


@app.command("show")
def show_transfer(
    transfer: TransferArgument,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show one transfer: where it stands, every attempt, the receipt, the timeline."""
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "TransferDetail":
        async with operations(target) as client:
            return await client.transfer(TransferId(transfer))

    detail = calling(work, as_json=as_json)
    if as_json:
        print_json(_detail_json(detail))
    else:
        _show(detail)


@app.command("hold")
def hold_transfer(
    transfer: TransferArgument,
    reason: Reason,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Stop a transfer that waits to be sent, until an officer releases it."""
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "Transfer":
        async with operations(target) as client:
            return await client.hold(TransferId(transfer), reason=reason)

    _say_state(calling(work, as_json=as_json), as_json=as_json)


@app.command("release")
def release_transfer(
    reason: Reason,
    transfer: Annotated[str | None, typer.Argument(help="Id of the transfer.", metavar="ID")] = None,
    recipient: Annotated[str | None, typer.Option(help="All held transfers to this partner.")] = None,
    code: Annotated[
        str | None, typer.Option(help="All that wait with this code: transfer.held, agreement.not_in_force.")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="All that the rule of this code holds.")] = None,
    since: Annotated[datetime | None, typer.Option(help="All that were held at this time (UTC) or later.")] = None,
    up_to: Annotated[
        int | None,
        typer.Option(
            help="The newest hold to release, as told with the number; without it you are told both, and none goes.",
            min=0,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=200)] = 50,
    after: Annotated[str | None, typer.Option(help="Go on after this id.")] = None,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Approve, as an officer, that a held transfer goes, or all that fit, the oldest first.

    Of many you are told first how many fit, and up to which hold; give that as --up-to to release these and none that
    was held since. Each is judged as if it were released alone: what you handed in yourself, have approved before, or
    nothing permits now stays held, and is named with why.
    """
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)
    by_query = any(one is not None for one in (recipient, code, rule, since))
    if (transfer is not None) == by_query:
        raise typer.BadParameter("give either the ID of one transfer, or --recipient, --code, --rule, --since")
    if by_query:
        query = HeldQuery(
            recipient=None if recipient is None else PartyId(recipient),
            code=code,
            rule=rule,
            since=None if since is None else since.replace(tzinfo=UTC),
            after=None if after is None else TransferId(after),
        )
        if up_to is None:
            count_held(target, query, as_json=as_json)
        else:
            release_many(target, query, reason=reason, up_to=up_to, limit=limit, as_json=as_json)
        return

    async def work() -> "Transfer":
        async with operations(target) as client:
            return await client.release_transfer(TransferId(transfer or ""), reason=reason)

    row = calling(work, as_json=as_json)
    if row.state is TransferState.HELD and not as_json:
        say(f"{row.id} has your approval, and waits for that of another officer")
        return
    _say_state(row, as_json=as_json)


@app.command("requeue")
def requeue_transfer(
    reason: Reason,
    transfer: Annotated[str | None, typer.Argument(help="Id of the transfer.", metavar="ID")] = None,
    recipient: Annotated[str | None, typer.Option(help="All dead letters to this partner.")] = None,
    code: Annotated[str | None, typer.Option(help="All dead letters with this code, such as channel.timeout.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="All that were dead-lettered at this time (UTC) or later.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=200)] = 50,
    after: Annotated[str | None, typer.Option(help="Go on after this id.")] = None,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Send a dead-lettered transfer again, or all that fit, the oldest first.

    It goes under the same id; one whose message expired is prepared again. One never released is held again.
    """
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)
    by_query = recipient is not None or code is not None or since is not None
    if (transfer is not None) == by_query:
        raise typer.BadParameter("give either the ID of one transfer, or --recipient, --code, --since")
    if by_query:
        requeue_many(
            target,
            reason=reason,
            recipient=None if recipient is None else PartyId(recipient),
            code=code,
            since=None if since is None else since.replace(tzinfo=UTC),
            limit=limit,
            after=None if after is None else TransferId(after),
            as_json=as_json,
        )
        return

    async def work() -> "Transfer":
        async with operations(target) as client:
            return await client.requeue(TransferId(transfer or ""), reason=reason)

    _say_state(calling(work, as_json=as_json), as_json=as_json)


@app.command("skip")
def skip_transfer(
    transfer: TransferArgument,
    reason: Reason,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Give a held or dead-lettered transfer up for good, so that those behind it in its conversation go.

    If it was sent, the partner is asked first; nothing is skipped that the partner may yet accept.
    """
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "Transfer":
        async with operations(target) as client:
            return await client.skip(TransferId(transfer), reason=reason)

    row = calling(work, as_json=as_json)
    if as_json:
        print_json(transfer_json(row))
    else:
        say(f"{row.id} is skipped; those behind it go")


@app.command("cancel")
def cancel_transfer(
    transfer: TransferArgument,
    reason: Reason,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Stop a transfer that the partner does not have.

    If it was sent, the partner is asked first. Without its sworn word that it never had the message nothing is
    cancelled, and a text is offered that asks the partner's people to disregard it.
    """
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "Transfer":
        async with operations(target) as client:
            return await client.cancel(TransferId(transfer), reason=reason)

    _say_state(calling(work, as_json=as_json), as_json=as_json)


def transfer_json(row: "Transfer") -> dict[str, Any]:
    """Return a transfer with the names of the API."""
    from dataclasses import asdict

    return asdict(row)


def _detail_json(detail: "TransferDetail") -> dict[str, Any]:
    from dataclasses import asdict

    shown = asdict(detail)
    return {**shown.pop("transfer"), **shown}


def _say_state(row: "Transfer", *, as_json: bool) -> None:
    if as_json:
        print_json(transfer_json(row))
    else:
        say(f"{row.id} is now {row.state.value}")


def _show(detail: "TransferDetail") -> None:
    row, receipt = detail.transfer, detail.receipt
    print_lines(
        [
            ("Transfer", row.id),
            ("State", row.state.value),
            ("Difficulty", f"{row.code} {row.detail}".strip() or None),
            ("Route", f"{row.sender} → {row.recipient}"),
            ("Kind", row.kind.value),
            ("Kept / withheld", f"{row.kept} / {row.withheld}"),
            ("Agreement", f"{row.agreement.id} version {row.agreement.version}"),
            ("Message", row.message_id),
            ("In place of", row.supersedes),
            ("Not seen", "the partner has sworn never to have had this message" if row.not_seen else None),
            ("Skipped", "given up; those behind it go" if row.skipped else None),
            ("Payload", payload_words(row.purged)),
            ("Digest", row.digest),
            ("Conversation", f"{row.conversation}, number {row.sequence}"),
            ("In reply to", row.in_reply_to),
            ("Submission", f"{row.submission_id} by {row.client}"),
            ("Created", row.created),
            ("Tried until", row.deadline),
            ("Next attempt", row.next_attempt_at),
            ("Handed over", row.handed_over),
            (
                "Receipt",
                None if receipt is None else f"{receipt.verdict.value} {receipt.code} at {clock(receipt.received)}",
            ),
        ]
    )
    for warning in detail.warnings:
        first, *more = violation_lines(warning.as_json())
        say(f"Warning: {first}")
        for line in more:
            say(line)
    for hold in detail.holds:
        _show_hold(hold)
    if detail.answers:
        print_table(
            "Answers",
            ("Message", "Kind", "Received", "Hand-over", "Handed over"),
            [
                (one.message_id, one.kind.value, clock(one.received), one.hand_over.value, clock(one.handed_over))
                for one in detail.answers
            ],
        )
    if detail.superseded:
        print_table(
            "Earlier messages",
            ("Message", "Replaced", "Sent", "Digest"),
            [
                (one.message_id, clock(one.superseded), "yes" if one.ever_sent else "never", one.digest)
                for one in detail.superseded
            ],
        )
    if detail.tries:
        print_table(
            "Attempts",
            ("No.", "Started", "Outcome", "Explanation", "Again"),
            [
                (one.number, clock(one.started), one.outcome, explained(one.code, one.detail), clock(one.again))
                for one in detail.tries
            ],
        )
    print_table(
        "Timeline",
        ("Time", "Event", "By", "Details"),
        [(clock(one.at), one.event, one.actor, facts_words(one.facts)) for one in detail.timeline],
    )


def explained(code: str, detail: str) -> str:
    """Return an attempt's code, what it means, and what was found."""
    from gateway.errors import CATALOGUE

    meaning = CATALOGUE[code].title if code in CATALOGUE else ""
    return " · ".join(filter(None, (code, meaning, detail)))


def _show_hold(hold: "OperatorsHold") -> None:
    given = [f"{one.officer} at {clock(one.at)}: {one.reason}" for one in hold.approvals]
    print_lines(
        [
            ("Held", f"since {clock(hold.since)}, {hold.cause.value}, by {hold.by}"),
            ("Because", hold.reason or None),
            ("To go on", _UNTIL_IN_FORCE if hold.cause is HoldCause.AGREEMENT and hold.released is None else None),
            ("Approvals", f"{hold.approvals_given} of {hold.approvals_needed}"),
            *(("Approved by", one) for one in given),
            ("Released", hold.released),
        ]
    )
    if hold.rules:
        print_table(
            "What a person has to look at",
            ("Rule", "Place", "In words"),
            [(one.rule or one.code, one.path, one.message) for one in hold.rules],
        )
