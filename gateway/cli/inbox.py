"""`gateway inbox`: received messages and where their hand-over stands. Shows no document."""

from typing import TYPE_CHECKING, Annotated

import typer

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
    with_difficulty,
)
from gateway.cli.pull import acknowledge, acknowledge_all, pull
from gateway.cli.target import Ca, Config, Target, TokenFile, TokenText, Url, calling, operations
from gateway.domain.ids import MessageId
from gateway.domain.lifecycle import HandOverState

if TYPE_CHECKING:
    from gateway.client import InboxDetail, InboxMessage
    from gateway.domain.later import Unjudged

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Received messages: list, unjudged, show, release, pull, ack, ack-all.")
app.command("pull")(pull)
app.command("ack")(acknowledge)
app.command("ack-all")(acknowledge_all)


@app.command("list")
def list_inbox(
    state: Annotated[HandOverState | None, typer.Option(help="Only in this state of hand-over.")] = None,
    over_shared: Annotated[
        bool, typer.Option("--over-shared", help="Only those that hold more than was agreed, and were taken.")
    ] = False,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=200)] = 50,
    before: Annotated[str | None, typer.Option(help="Only older ones than this message id.")] = None,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List received messages, newest first."""
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "tuple[tuple[InboxMessage, ...], MessageId | None]":
        async with operations(target) as client:
            older = None if before is None else MessageId(before)
            return await client.inbox(state=state, over_shared=over_shared, limit=limit, before=older)

    rows, following = calling(work, as_json=as_json)
    if as_json:
        from dataclasses import asdict

        for row in rows:
            print_json(asdict(row))
        return
    print_table(
        "",
        ("Message", "Hand-over", "Kind", "From", "Received"),
        [
            (
                row.message_id,
                " ".join(filter(None, (with_difficulty(row.hand_over.value, row.code), _alarm(row)))),
                row.kind.value,
                row.sender,
                minute(row.received),
            )
            for row in rows
        ],
    )
    if following is not None:
        say(f"More: --before {following}")


@app.command("unjudged")
def list_unjudged(
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List how many envelopes of each partner were taken and wait to be judged (`receipts = "later"`)."""
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "tuple[Unjudged, ...]":
        async with operations(target) as client:
            return await client.unjudged()

    rows = calling(work, as_json=as_json)
    if as_json:
        from dataclasses import asdict

        for row in rows:
            print_json(asdict(row))
        return
    print_table("", ("From", "Waiting", "Oldest"), [(row.sender, row.count, clock(row.oldest)) for row in rows])


@app.command("show")
def show_message(
    message: Annotated[str, typer.Argument(help="Id of the message.", metavar="ID")],
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show what is known of one received message, and its timeline."""
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "InboxDetail":
        async with operations(target) as client:
            return await client.inbox_message(MessageId(message))

    detail = calling(work, as_json=as_json)
    if as_json:
        from dataclasses import asdict

        shown = asdict(detail)
        print_json({**shown.pop("message"), **shown})
    else:
        _show(detail)


@app.command("release")
def release_message(
    message: Annotated[str, typer.Argument(help="Id of the message.", metavar="ID")],
    reason: Annotated[str, typer.Option("--reason", help="Why; stands in the audit trail with your name.")],
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Have a message in quarantine handed over again."""
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "InboxMessage":
        async with operations(target) as client:
            return await client.release(MessageId(message), reason=reason)

    row = calling(work, as_json=as_json)
    _say(row, f"{row.message_id} is now {row.hand_over.value}", as_json=as_json)


@app.command("acknowledge-alarm")
def acknowledge_alarm(
    message: Annotated[str, typer.Argument(help="Id of the message.", metavar="ID")],
    reason: Annotated[str, typer.Option("--reason", help="What was done; stands in the audit trail with your name.")],
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Note that you saw to the alarm of a message that holds more than was agreed."""
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "InboxMessage":
        async with operations(target) as client:
            return await client.acknowledge(MessageId(message), reason=reason)

    row = calling(work, as_json=as_json)
    _say(row, f"The alarm of {row.message_id} is acknowledged; it stands in its timeline", as_json=as_json)


def _say(row: "InboxMessage", words: str, *, as_json: bool) -> None:
    """Print what became of a message by an act: in words, or the message as JSON."""
    if as_json:
        from dataclasses import asdict

        print_json(asdict(row))
    else:
        say(words)


def _alarm(row: "InboxMessage") -> str:
    return "OVER-SHARED" if row.over_shared else ""


def _show(detail: "InboxDetail") -> None:
    row, receipt, notice = detail.message, detail.receipt, detail.notice
    print_lines(
        [
            ("Message", row.message_id),
            ("Hand-over", row.hand_over.value),
            ("Difficulty", f"{row.code} {row.detail}".strip() or None),
            ("Route", f"{row.sender} → {row.recipient}"),
            ("Kind", row.kind.value),
            ("Size", f"{row.size_bytes} bytes"),
            ("Agreement", f"{row.agreement.id} version {row.agreement.version}"),
            ("Policy", row.policy_sha256),
            ("Holds too much at", ", ".join(row.over_shared) or None),
            ("Legal basis", row.terms.legal_basis),
            ("Purpose", row.terms.purpose),
            ("Onward use", row.terms.onward_use),
            ("To be kept for", f"{row.terms.retention_days} days"),
            ("Payload", payload_words(row.purged)),
            ("Conversation", f"{row.conversation}, number {row.sequence}"),
            ("In reply to", row.in_reply_to),
            ("Digest", row.digest),
            ("Received", row.received),
            ("Handed over", row.handed_over),
            ("Our receipt", None if receipt is None else f"{receipt.verdict.value} {receipt.code}"),
            ("Sender told of it", None if notice is None else f"{notice.state.value} {notice.code}".strip()),
        ]
    )
    if detail.answers:
        print_table(
            "Our answers",
            ("Transfer", "Kind", "State", "Created"),
            [(one.id, one.kind.value, one.state.value, clock(one.created)) for one in detail.answers],
        )
    print_table(
        "Timeline",
        ("Time", "Event", "By", "Details"),
        [(clock(one.at), one.event, one.actor, facts_words(one.facts)) for one in detail.timeline],
    )
