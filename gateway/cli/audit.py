"""`gateway audit`: verify the chain of evidence, or take it along. Verifying an export needs nothing but the file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.output import AsJson, fail, print_json, print_lines, reporting, say
from gateway.cli.target import Ca, Config, Target, TokenFile, TokenText, Url, calling, operations

if TYPE_CHECKING:
    from gateway.audit import AuditVerdict, ChainHead

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Evidence: verify, export.")

Database = Annotated[
    Path | None, typer.Option("--database", help="Database file of a node.", exists=True, dir_okay=False)
]


@app.command("verify")
def verify(
    export: Annotated[
        Path | None, typer.Option("--export", help="File made by `audit export`.", exists=True, dir_okay=False)
    ] = None,
    database: Database = None,
    config: Config = None,
    head: Annotated[
        str | None, typer.Option(help="SEQ:HASH noted down earlier; an export must pass through it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify an audit chain record by record. Exit code 1 when anything was changed, removed, added or moved."""
    if sum(one is not None for one in (export, database, config)) != 1:
        raise typer.BadParameter("give one of --export, --database and --config")
    if head is not None and export is None:
        raise typer.BadParameter("goes with --export", param_hint="--head")
    with reporting(as_json=as_json):
        if export is not None:
            verdicts = [_verify_export(export, head)]
        else:
            from gateway.storage import verify_database

            verdicts = verify_database(database or _database_of(config))
    if not verdicts:
        fail("audit.broken", "There is no audit chain here", as_json=as_json)
    _show(verdicts, as_json=as_json)
    if not all(verdict.intact for verdict in verdicts):
        raise typer.Exit(1)


@app.command("export")
def export_chain(
    out: Annotated[Path, typer.Option("--out", help="File to write; must not exist.")],
    database: Database = None,
    chain: Annotated[str | None, typer.Option(help="Name of the chain, when a database holds several.")] = None,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write a node's whole audit chain to a file that anyone can verify.

    From a running node through its operations API (needs the auditor's role), or from a database file.
    """
    if out.exists():
        raise typer.BadParameter("exists already", param_hint="--out")
    if database is not None:
        with reporting(as_json=as_json):
            _export_database(database, chain, out, as_json=as_json)
    else:
        target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

        async def work() -> None:
            async with operations(target) as client:
                with out.open("xb") as stream:
                    async for chunk in client.audit():
                        stream.write(chunk)

        calling(work, as_json=as_json)
    with reporting(as_json=as_json):
        verdict = _verify_export(out, None)
    _show([verdict], as_json=as_json)
    if not verdict.intact:
        raise typer.Exit(1)


def _verify_export(file: Path, head: str | None) -> "AuditVerdict":
    from gateway.audit import verify_export

    expected = None if head is None else _head(head, file)
    with file.open("rb") as lines:
        return verify_export(lines, expected=expected)


def _head(text: str, file: Path) -> "ChainHead":
    from gateway.audit import ChainHead, ExportStart, parse_export

    seq, colon, digest = text.partition(":")
    if not colon or not seq.isdigit():
        raise typer.BadParameter("write SEQ:HASH", param_hint="--head")
    with file.open("rb") as lines:
        start = next(parse_export(lines))
    chain = start.head.chain if isinstance(start, ExportStart) else ""
    return ChainHead(chain=chain, seq=int(seq), hash=digest)


def _export_database(database: Path, chain: str | None, out: Path, *, as_json: bool) -> None:
    from gateway.audit import export_lines, genesis
    from gateway.storage import database_chains, database_records

    chains = database_chains(database)
    if chain is None and len(chains) != 1:
        fail("audit.broken", f"The database holds {len(chains)} chains; name one with --chain", as_json=as_json)
    name = chain or chains[0]
    _write(out, export_lines(database_records(database, name), start=genesis(name)))


def _write(out: Path, lines: Iterator[bytes]) -> None:
    with out.open("xb") as stream:
        stream.writelines(lines)


def _database_of(config: Path | None) -> Path:
    if config is None:
        raise typer.BadParameter("give --config")
    from gateway.app.node import DATABASE
    from gateway.settings import load_node

    return load_node(config, look=False).data_dir / DATABASE


def _show(verdicts: "list[AuditVerdict]", *, as_json: bool) -> None:
    if as_json:
        for verdict in verdicts:
            print_json(
                {
                    "chain": verdict.chain,
                    "intact": verdict.intact,
                    "records": verdict.count,
                    "head": {"seq": verdict.head.seq, "hash": verdict.head.hash},
                    "fault": verdict.fault,
                    "broken_seq": verdict.broken_seq,
                    "reason": verdict.reason,
                }
            )
        return
    for verdict in verdicts:
        # Lines, not a table: a head must stay in one piece to be copied, however long the chain grows.
        print_lines(
            [
                ("Chain", verdict.chain),
                ("Verdict", "intact" if verdict.intact else f"BROKEN at {verdict.broken_seq}"),
                ("Records", verdict.count),
                ("Last sound record", f"{verdict.head.seq}:{verdict.head.hash}"),
            ]
        )
        if not verdict.intact:
            say(f"{verdict.chain}: {verdict.reason}. Keep the file as it is")
