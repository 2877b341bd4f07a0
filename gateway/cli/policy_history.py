"""`gateway policy history` and `restore`: every text of agreements and policies that was in force at a node.

They ask a running node. A restore writes a file and changes nothing in the node: the reload that follows does, and that
is what stands in the audit, with who asked for it and why.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.output import AsJson, fail, print_json, print_table, say
from gateway.cli.target import Ca, Config, Target, TokenFile, TokenText, Url, calling, operations

__all__ = ["history", "restore"]


def history(
    of: Annotated[str, typer.Option("--of", help="Only this agreement or policy, by its id.", metavar="ID")] = "",
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=200)] = 50,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show which texts of agreements and policies are or were in force, from when to when, and by whom."""
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> "tuple[Mapping[str, Any], ...]":
        async with operations(target) as client:
            return await client.rule_history(of=of, limit=limit)

    found = calling(work, as_json=as_json)
    if as_json:
        for one in found:
            print_json(one)
        return
    rows = [
        (
            one["kind"],
            f"{one['id']} {one['version']}",
            one["text_sha256"][:12],
            one["since"],
            one["until"] or "in force",
            " · ".join(filter(None, (one["by"], one["reason"]))),
        )
        for one in found
    ]
    print_table("", ("", "Version", "Text", "Since", "Until", "By"), rows)


def restore(
    text: Annotated[str, typer.Argument(help="Hash of the text, or its beginning, as `history` shows it.")],
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

    async def work() -> "Mapping[str, Any] | None":
        async with operations(target) as client:
            known = {one["text_sha256"] for one in await client.rule_history(limit=200)}
            meant = [one for one in known if one.startswith(text)] if len(text) < 64 else [text]
            return await client.rule_text(meant[0]) if len(meant) == 1 else None

    found = calling(work, as_json=as_json)
    if found is None:
        fail("request.not_found", "No text, or more than one, begins with that hash", as_json=as_json)
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
