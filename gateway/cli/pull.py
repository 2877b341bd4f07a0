"""`gateway inbox pull`, `ack` and `ack-all`: fetch messages as a back end that pulls would (docs/hand-over.md)."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import FAILED, AsJson, plain, print_json, print_lines, print_table, reporting, say
from gateway.cli.target import Ca, Config, Target, TokenFile, TokenText, Url, calling, fetching
from gateway.domain.ids import MessageId, PartyId, is_message_id

if TYPE_CHECKING:
    from gateway.client import ClientError, LeasedMessage, SettledMessage

__all__ = ["acknowledge", "acknowledge_all", "pull"]


def pull(
    out: Annotated[Path, typer.Option("--out", help="Folder to write the documents to.", file_okay=False)],
    party: Annotated[
        str | None, typer.Option("--for", help="Our party; needed when the client fetches for several.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=32)] = 1,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Lease waiting messages and write their documents. Acknowledge each with `inbox ack` before its lease ends."""
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "tuple[LeasedMessage, ...]":
        async with fetching(target) as client:
            return await client.lease(limit=limit, party=None if party is None else PartyId(party))

    with reporting(as_json=as_json):
        out.mkdir(parents=True, exist_ok=True)  # first: what can not be written must not be leased
    messages = calling(work, as_json=as_json)
    for message in messages:
        with reporting(as_json=as_json):
            file = _written(out, message)
        if as_json:
            print_json(_told(message, file))
        else:
            _show(message, file)
    if not messages and not as_json:
        say("Nothing waits")


def _show(message: "LeasedMessage", file: Path) -> None:
    """Print one message in lines: file and lease are there to be copied, so nothing may break them up."""
    pairs = (("Message", message.message_id), ("Kind", message.kind.value), ("From", message.sender), ("File", file))
    for name, value in (*pairs, ("Lease", message.lease), ("Until", message.expires)):
        say(f"{name:<9}{plain(value)}")
    say("")


def _written(folder: Path, message: "LeasedMessage") -> Path:
    file = folder / f"{message.message_id}_{message.sender}.xml"
    file.write_bytes(message.document)
    return file


def _told(message: "LeasedMessage", file: Path) -> dict[str, Any]:
    from dataclasses import asdict

    told = asdict(message)
    del told["document"]
    return {**told, "file": str(file)}


def acknowledge(
    message: Annotated[str, typer.Argument(help="Id of the message.", metavar="ID")],
    lease: Annotated[str, typer.Option("--lease", help="The token that came with it.", metavar="TOKEN")],
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Acknowledge a leased message: from now on it is the back end's."""
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "SettledMessage":
        async with fetching(target) as client:
            return await client.answer(MessageId(message), "acknowledgement", lease=lease)

    settled = calling(work, as_json=as_json)
    if as_json:
        from dataclasses import asdict

        print_json(asdict(settled))
    else:
        print_lines([("Message", settled.message_id), ("Hand-over", settled.hand_over.value)])


def acknowledge_all(
    file: Annotated[
        typer.FileText, typer.Argument(help="What `inbox pull --json` printed; - for standard input.", metavar="FILE")
    ],
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Acknowledge leased messages together. Each has its own answer; exit code 1 if one was refused."""
    from gateway.client import ClientError

    leases = [_lease_in(line) for line in file if line.strip()]
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "list[SettledMessage | ClientError]":
        async with fetching(target) as client:
            return await client.answer_all(leases)

    told = [(message_id, one) for (message_id, _), one in zip(leases, calling(work, as_json=as_json), strict=True)]
    if as_json:
        for message_id, one in told:
            print_json(_members(message_id, one))
    else:
        rows = [
            (message_id, one.code if isinstance(one, ClientError) else one.hand_over.value) for message_id, one in told
        ]
        print_table("", ("Message", "Hand-over"), rows)
    if any(isinstance(one, ClientError) for _, one in told):
        raise typer.Exit(FAILED)


def _members(message_id: MessageId, told: "SettledMessage | ClientError") -> dict[str, Any]:
    from dataclasses import asdict

    from gateway.client import ClientError

    return {"message_id": message_id, "code": told.code} if isinstance(told, ClientError) else asdict(told)


def _lease_in(line: str) -> tuple[MessageId, str]:
    """Return the message and the lease that a line names. Raises BadParameter."""
    try:
        value = json.loads(line)
        message_id, lease = value["message_id"], value["lease"]
    except (ValueError, KeyError, TypeError):
        message_id = lease = None
    if not (isinstance(message_id, str) and is_message_id(message_id) and isinstance(lease, str)):
        raise typer.BadParameter("has a line without message_id and lease", param_hint="FILE")
    return MessageId(message_id), lease
