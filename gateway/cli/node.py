"""`gateway serve` and `gateway config`: run one node, or say what is wrong with its settings."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import AsJson, print_json, print_lines, reporting

__all__ = ["config", "serve"]

config = typer.Typer(no_args_is_help=True, help="Settings: check.")

ConfigFile = Annotated[Path, typer.Option("--config", help="Settings of the node (TOML).", dir_okay=False)]


def serve(config_file: ConfigFile, as_json: AsJson = False) -> None:
    """Run a node until it is told to stop (SIGTERM or Ctrl-C).

    Bad settings, policies or agreements are printed all at once, and nothing is started. Logs go to stdout as JSON.
    """
    from gateway.app import run_node

    with reporting(as_json=as_json):
        run_node(config_file)


@config.command("check")
def check(config_file: ConfigFile, as_json: AsJson = False) -> None:
    """Check settings, schema sets, agreements, policies, keys, secrets, revocation lists. Nothing is started."""
    from gateway.app import check_all
    from gateway.settings import load_configuration

    with reporting(as_json=as_json):
        found = load_configuration(config_file)
        check_all(found)
    node = found.node
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
        print_json({**members, "findings": []})
    else:
        print_lines(
            (name.replace("_", " "), ", ".join(value) or "none" if isinstance(value, list) else value)
            for name, value in members.items()
        )
