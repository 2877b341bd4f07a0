"""`gateway serve`, `gateway reload`, `gateway config`: run one node, or say what is wrong with its settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.output import AsJson, finding_members, print_json, print_lines, reporting, say_findings
from gateway.cli.target import Ca, Config, Target, TokenFile, TokenText, Url, calling, operations

__all__ = ["config", "drain", "reload", "serve"]

config = typer.Typer(no_args_is_help=True, help="Settings: check, and the text of an agreement.")

ConfigFile = Annotated[Path, typer.Option("--config", help="Settings of the node (TOML).", dir_okay=False)]


def serve(
    config_file: ConfigFile,
    restored: Annotated[
        str, typer.Option("--restored", help="Why an older copy of the database was put in place; it is recorded.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Run a node until it is told to stop (SIGTERM or Ctrl-C).

    Bad settings, policies or agreements are printed all at once, and nothing is started. Logs go to stdout as JSON.
    """
    from gateway.app import run_node

    with reporting(as_json=as_json):
        run_node(config_file, restored=restored)


def reload(
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the audit trail.")],
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Have a running node take schema sets, agreements and policies as its files stand now.

    All or nothing: with any error in them the node goes on as before, and every error is printed. Whatever else
    changed in its settings takes a restart. Needs the role admin. SIGHUP does the same, and logs what was wrong.
    """
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> Mapping[str, Any]:
        async with operations(target) as client:
            return await client.reload(reason=reason)

    told = calling(work, as_json=as_json)
    if as_json:
        print_json(told)
        return
    print_lines(
        (name.replace("_", " "), ", ".join(value) if isinstance(value, list) else value) for name, value in told.items()
    )


def drain(
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the audit trail.")],
    end: Annotated[bool, typer.Option("--end", help="End the drain: the node works again.")] = False,
    url: Url = "",
    token: TokenText = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Have a running node take nothing new, and finish what is under way. What waits stays stored.

    Says how much is under way; ask again until it is 0. Readiness is false until the drain is ended or the node is
    started again. Needs the role admin.
    """
    target = Target(url=url, token=token, token_file=token_file, ca=ca, config=config)

    async def work() -> Mapping[str, Any]:
        async with operations(target) as client:
            return await client.drain(reason=reason, end=end)

    told = calling(work, as_json=as_json)
    if as_json:
        print_json(told)
        return
    print_lines((name.replace("_", " "), str(value)) for name, value in told.items())


@config.command("check")
def check(config_file: ConfigFile, as_json: AsJson = False) -> None:
    """Check settings, schema sets, agreements, policies, keys, secrets, revocation lists. Nothing is started."""
    from gateway.app import check_all
    from gateway.settings import load_configuration

    with reporting(as_json=as_json):
        found = load_configuration(config_file)
        check_all(found)
    node, warnings = found.node, (*found.warnings, *found.book.warnings)
    members = {
        "file": str(config_file),
        "name": node.name,
        "parties": [party.id for party in node.parties],
        "partners": [partner.id for partner in node.partners],
        "agreements": [f"{one.id} version {one.version}" for one in found.book.agreements],
        "schema_sets": sorted(found.catalogue),
        "insecure": list(node.insecure),
    }
    if as_json:
        print_json({**members, "findings": [], "warnings": [finding_members(one) for one in warnings]})
    else:
        say_findings(warnings)
        print_lines(
            (name.replace("_", " "), ", ".join(value) or "none" if isinstance(value, list) else value)
            for name, value in members.items()
        )


@config.command("agreement")
def agreement(
    agreement_id: Annotated[str, typer.Argument(help="Name of the agreement, such as gb-fr.", metavar="ID")],
    config_file: ConfigFile,
    as_json: AsJson = False,
) -> None:
    """Print an agreement as both parties hash it: one line of JSON, whose SHA-256 travels in every message.

    Two administrations that compare this text, or its hash, see whether they hold the same agreement, policies and
    schema sets. Of several versions the highest is printed.
    """
    from gateway.domain.agreement import canonical_text
    from gateway.settings import agreement_content, load_configuration

    with reporting(as_json=as_json):
        agreements = load_configuration(config_file).book.agreements
    named = [one for one in agreements if one.id == agreement_id]
    if not named:
        known = ", ".join(sorted({one.id for one in agreements}))
        raise typer.BadParameter(f"is none of this node's agreements: {known}", param_hint="ID")
    latest = max(named, key=lambda one: one.version)
    content = agreement_content(latest)
    if as_json:
        print_json({"agreement": latest.id, "version": latest.version, "sha256": latest.sha256, "content": content})
        return
    # To the byte, without a line end: `| sha256sum` is then the hash.
    typer.echo(canonical_text(content), nl=False)
