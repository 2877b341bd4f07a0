"""`gateway submit`: hand documents in through the submission API, as a national system would."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.output import AsJson, Language, print_json, print_table, say, violation_lines
from gateway.cli.target import (
    Ca,
    Config,
    Target,
    TokenFile,
    TokenText,
    Url,
    calling,
    explained,
    is_visible_ascii,
    submissions,
)
from gateway.domain.ids import MessageId, PartyId, party_id
from gateway.domain.priority import Priority

if TYPE_CHECKING:
    from gateway.client import ClientError, NewSubmission, Submission, SubmissionClient

__all__ = ["submit"]

_POLL_SECONDS = 0.25


_NEVER_SENT: Final = frozenset({"client.unreachable", "client.tls_refused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    to: tuple[PartyId, ...]
    sender: PartyId | None
    conversation: str | None
    priority: Priority | None
    in_reply_to: MessageId | None
    key: str | None
    wait: float
    values: bool
    language: str | None


def submit(
    files: Annotated[list[Path], typer.Argument(help="Documents (XML).", exists=True, dir_okay=False)],
    to: Annotated[str, typer.Option("--to", help="Recipients, such as FR-DGDDI,NL-DOUANE.")],
    sender: Annotated[
        str | None, typer.Option("--from", help="Our party; needed when the client speaks for several.")
    ] = None,
    conversation: Annotated[str | None, typer.Option(help="Your own case reference; keeps messages in order.")] = None,
    priority: Annotated[Priority | None, typer.Option(help="Who goes first when much waits.")] = None,
    in_reply_to: Annotated[str | None, typer.Option(help="Message id that this answers.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Idempotency-Key, to ask again after an unknown outcome. One file only.")
    ] = None,
    values: Annotated[
        bool, typer.Option("--values", help="Have a refusal show what stands in the document beside what is wrong.")
    ] = False,
    lang: Language = "",
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for all transfers to be delivered; 0: do not wait.", min=0)
    ] = 0,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Submit documents to one or several partners.

    Each file is one submission: accepted for all recipients or refused for all. Several go in one request. Exit code 1
    when any was refused, or with --wait when any was not delivered in time.
    """
    if key is not None and len(files) > 1:
        raise typer.BadParameter("is for one file; each submission needs its own", param_hint="--key")
    if key is not None and not is_visible_ascii(key):
        raise typer.BadParameter("is one word of visible ASCII", param_hint="--key")
    if not is_visible_ascii(lang):
        raise typer.BadParameter("is a language tag, such as en", param_hint="--lang")
    order = _Order(
        to=tuple(_party(one) for one in to.split(",")),
        sender=None if sender is None else _party(sender),
        conversation=conversation,
        priority=priority,
        in_reply_to=None if in_reply_to is None else MessageId(in_reply_to),
        key=key,
        wait=wait,
        values=values,
        language=lang or None,
    )
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)
    outcomes = calling(lambda: _submit_all(files, order, target), as_json=as_json)
    if as_json:
        for file, outcome in outcomes:
            print_json(_json(file, outcome))
    else:
        _show(outcomes)
    if not all(_is_well(outcome, order) for _, outcome in outcomes):
        raise typer.Exit(1)


async def _submit_all(
    files: list[Path], order: _Order, target: Target
) -> "list[tuple[Path, Submission | ClientError]]":
    from gateway.client import ClientError, in_requests

    outcomes: list[tuple[Path, Submission | ClientError]] = []
    async with submissions(target) as client:
        # As many files at a time as one request takes; they are read only then.
        for some in in_requests(_new(file, order) for file in files):
            names = files[len(outcomes) : len(outcomes) + len(some)]
            came = await _submit(client, some, order)
            first = came[0]
            # Without an answer, or without the right to ask, the other files would fare no better.
            stop = isinstance(first, ClientError) and first.status in {None, 401, 403}
            if stop and isinstance(first, ClientError) and not outcomes and not _is_unknown(first):
                raise first
            outcomes += zip(names, came, strict=True)
            if stop:
                break
    return outcomes


def _new(file: Path, order: _Order) -> "NewSubmission":
    from uuid import uuid4

    from gateway.client import NewSubmission

    return NewSubmission(
        document=file.read_bytes(),
        to=order.to,
        sender=order.sender,
        conversation=order.conversation,
        priority=order.priority,
        in_reply_to=order.in_reply_to,
        idempotency_key=order.key or str(uuid4()),
        explain_values=order.values,
    )


def _is_unknown(outcome: "Submission | ClientError") -> bool:
    """Tell whether the node may have accepted what we got no answer about."""
    from gateway.client import ClientError

    return isinstance(outcome, ClientError) and (
        outcome.status == 503 or (outcome.status is None and outcome.code not in _NEVER_SENT)
    )


async def _submit(
    client: "SubmissionClient", some: "list[NewSubmission]", order: _Order
) -> "list[Submission | ClientError]":
    """Return what came of each. What went wrong with all of them is told of each."""
    from gateway.client import ClientError

    came: list[Submission | ClientError] = []
    try:
        came += (
            await client.submit_many(some, language=order.language)
            if len(some) > 1
            else [await _alone(client, some[0], order)]
        )
    except ClientError as error:
        came += [_copy(error) for _ in some]
    came = [await _await_delivery(client, one, order.wait) for one in came]
    for one, outcome in zip(some, came, strict=True):
        if isinstance(outcome, ClientError):
            outcome.problem = {**outcome.problem, "idempotency_key": one.idempotency_key}
    return came


def _copy(error: "ClientError") -> "ClientError":
    from gateway.client import ClientError

    return ClientError(error.code, error.detail, status=error.status, problem=error.problem)


async def _alone(client: "SubmissionClient", one: "NewSubmission", order: _Order) -> "Submission":
    return await client.submit(
        one.document,
        to=one.to,
        sender=one.sender,
        conversation=one.conversation,
        priority=one.priority,
        in_reply_to=one.in_reply_to,
        idempotency_key=one.idempotency_key,
        explain_values=one.explain_values,
        language=order.language,
    )


async def _await_delivery(
    client: "SubmissionClient", came: "Submission | ClientError", seconds: float
) -> "Submission | ClientError":
    import asyncio

    from gateway.client import ClientError

    if isinstance(came, ClientError):
        return came
    try:
        async with asyncio.timeout(seconds):
            while came.status == "in_progress" and seconds > 0:
                await asyncio.sleep(_POLL_SECONDS)
                came = await client.get(came.id)
    except TimeoutError:
        return came
    except ClientError as error:
        return error
    return came


def _is_well(outcome: "Submission | ClientError", order: _Order) -> bool:
    from gateway.client import ClientError

    return not isinstance(outcome, ClientError) and (order.wait == 0 or outcome.status == "delivered")


def _json(file: Path, outcome: "Submission | ClientError") -> dict[str, Any]:
    from gateway.client import ClientError

    if isinstance(outcome, ClientError):
        return {"file": str(file), "accepted": False, "problem": {**outcome.problem, "code": outcome.code}}
    return {
        "file": str(file),
        "accepted": True,
        "id": outcome.id,
        "status": outcome.status,
        "replayed": outcome.replayed,
        "warnings": [{**one.violation.as_json(), "recipients": list(one.recipients)} for one in outcome.warnings],
        "transfers": [
            {
                "id": one.id,
                "recipient": one.recipient,
                "state": one.state,
                "message_id": one.message_id,
                "conversation": one.conversation,
                "sequence": one.sequence,
                "kept": one.kept,
                "withheld": one.withheld,
            }
            for one in outcome.transfers
        ],
    }


def _show(outcomes: "list[tuple[Path, Submission | ClientError]]") -> None:
    from gateway.client import ClientError

    rows: list[tuple[object, ...]] = []
    warned: list[str] = []
    refused: list[str] = []
    for file, outcome in outcomes:
        if isinstance(outcome, ClientError):
            rows.append((file.name, "refused", outcome.code, "", ""))
            first, *places = explained(outcome)
            refused += [f"{file.name}: {first}", *(f"    {place}" for place in places)]
            if _is_unknown(outcome):
                refused.append(f"    The outcome is unknown; ask again with --key {outcome.problem['idempotency_key']}")
            continue
        for one in outcome.warnings:
            first, *more = violation_lines(one.violation.as_json())
            warned += [f"{file.name}: warning: {first}", *more]
        rows += [
            (file.name, one.recipient, one.state.value, f"{one.kept} / {one.withheld}", one.id)
            for one in outcome.transfers
        ]
    print_table("", ("File", "Recipient", "State", "Kept / withheld", "Transfer"), rows)
    for line in (*warned, *refused):
        say(line)


def _party(text: str) -> PartyId:
    try:
        return party_id(text.strip())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
