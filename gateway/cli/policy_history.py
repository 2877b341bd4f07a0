"""`gateway policy history` and `restore`: every text of agreements and policies that was in force at a node.

They ask a running node. A restore writes a file and changes nothing in the node: the reload that follows does, and that
is what stands in the audit, with who asked for it and why.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.output import AsJson, clock, fail, print_json, print_lines, print_table, say
from gateway.cli.target import Ca, Config, Target, TokenFile, TokenText, Url, calling, operations

if TYPE_CHECKING:
    from gateway.client import OperationsClient
    from gateway.domain.wording import Followed

__all__ = ["history", "restore"]


def history(
    of: Annotated[str, typer.Option("--of", help="Only this agreement or policy, by its id.", metavar="ID")] = "",
    sha256: Annotated[
        str, typer.Option("--sha256", help="Only texts of this hash, or its beginning: a message's, or the text's.")
    ] = "",
    changes: Annotated[
        bool, typer.Option("--changes", help="Show under each what differs from the text before it.")
    ] = False,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=200)] = 50,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show which texts of agreements and policies are or were in force, from when to when, and by whom.

    Hash is the one that travels in messages, over the meaning; Text the one over the bytes that were kept.
    """
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "list[tuple[Mapping[str, Any], list[str]]]":
        async with operations(target) as client:
            found = await client.rule_history(of=of, sha256=sha256, limit=limit)
            return [(one, await _changed(client, one) if changes else []) for one in found]

    found = calling(work, as_json=as_json)
    if as_json:
        for one, lines in found:
            print_json({**one, "changes": lines} if changes else one)
    elif changes:
        for one, lines in found:
            print_lines(zip(_HEADS, _row(one), strict=True))
            for line in lines or ["(no text before it, or the same)"]:
                say(f"  {line}")
            say("")
    else:
        print_table("", _HEADS, [_row(one) for one, _ in found])


_HEADS: Final = ("Version", "Hash", "Text", "Since", "Until", "By")


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{one['kind']} {one['id']} {one['version']}",
        one["sha256"][:12],
        one["text_sha256"][:12],
        clock(datetime.fromisoformat(one["since"])),
        clock(datetime.fromisoformat(one["until"])) if one["until"] else "in force",
        " · ".join(filter(None, (one["by"], one["reason"]))),
    )


async def _changed(client: "OperationsClient", one: Mapping[str, Any]) -> list[str]:
    """Return in lines what differs from the text that was followed before this one; empty for the first."""
    from gateway.domain.wording import changes, followed_before

    history = await client.rule_history(of=one["id"], limit=200)
    before = followed_before(_followed(one), map(_followed, history))
    if before is None:
        return []
    texts = [(await client.rule_text(each))["text"] for each in (before.text_sha256, one["text_sha256"])]
    return changes(*texts)


def _followed(one: Mapping[str, Any]) -> "Followed":
    from gateway.domain.wording import Followed, WordingKind

    return Followed(
        kind=WordingKind(one["kind"]),
        id=one["id"],
        version=one["version"],
        sha256=one["sha256"],
        text_sha256=one["text_sha256"],
        since=datetime.fromisoformat(one["since"]),
        until=datetime.fromisoformat(one["until"]) if one["until"] else None,
        actor=one["by"],
        reason=one["reason"],
    )


def restore(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="Its hash, or the beginning of it: that of messages, or Text.")
    ],
    file: Annotated[Path, typer.Option("--file", help="File to write it to.", dir_okay=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over a file that is there.")] = False,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write a text that was in force into a file again. It comes into force with `gateway reload`, not before.

    A policy is written without includes: its rules and those of the files it included, in one; its hash is the same.
    """
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "Mapping[str, Any] | list[str]":
        async with operations(target) as client:
            known = [one["text_sha256"] for one in await client.rule_history(sha256=text, limit=200)]
            meant = list(dict.fromkeys(known))
            return await client.rule_text(meant[0]) if len(meant) == 1 else meant

    if not text:
        raise typer.BadParameter("give a hash, or its beginning", param_hint="TEXT")
    found = calling(work, as_json=as_json)
    if isinstance(found, list):
        fail("request.not_found", _told(found), as_json=as_json)
        return
    try:
        with file.open("w" if overwrite else "x", encoding="utf-8") as written:
            written.write(found["text"])
    except FileExistsError:
        fail("system.refused", f"{file} is there already; --overwrite writes over it", as_json=as_json)
    except OSError as error:
        fail("system.refused", f"{file}: {error.strerror or error}", as_json=as_json)
    if as_json:
        print_json({"file": str(file), **{name: value for name, value in found.items() if name != "text"}})
    else:
        say(f"{file} now holds {found['kind']} {found['id']} version {found['version']}")
        say("Nothing changed in the node yet: gateway config check, then gateway reload --reason …")


def _told(meant: "list[str]") -> str:
    if not meant:
        return "No text that was ever in force here has a hash that begins so"
    several = ", ".join(one[:12] for one in meant[:5])
    return f"{len(meant)} texts have a hash that begins so. Name one of them by Text: {several}"
