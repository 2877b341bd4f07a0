"""`gateway inbox pull` and `gateway inbox ack`: fetch messages as a back end that pulls would (docs/hand-over.md)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import AsJson, clock, print_json, print_lines, print_table
from gateway.cli.target import Ca, Config, Target, TokenFile, TokenText, Url, calling, fetching
from gateway.domain.ids import MessageId, PartyId

if TYPE_CHECKING:
    from gateway.client import LeasedMessage, SettledMessage

__all__ = ["acknowledge", "pull"]


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

    messages = calling(work, as_json=as_json)
    out.mkdir(parents=True, exist_ok=True)
    files = [_written(out, message) for message in messages]
    if as_json:
        for message, file in zip(messages, files, strict=True):
            print_json(_told(message, file))
        return
    print_table(
        "",
        ("Message", "Kind", "From", "Until", "File", "Lease"),
        [
            (one.message_id, one.kind.value, one.sender, clock(one.expires), file, one.lease)
            for one, file in zip(messages, files, strict=True)
        ],
    )


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
