"""The tree of commands. Nothing heavy is imported here, so that `gateway --help` answers at once."""

from typing import Annotated

import typer

from gateway import __version__
from gateway.cli import audit, codelist, demo, inbox, node, pki, policy, rule, schema, submit, token, transfer

__all__ = ["app", "main"]

app = typer.Typer(
    name="gateway",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Validates, minimises, signs, encrypts and relays customs declarations between administrations.",
    epilog="Exit codes: 0 done, 1 refused or failed, 2 usage.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Take the options that stand before the noun."""


app.command("serve")(node.serve)
app.command("reload")(node.reload)
app.command("drain")(node.drain)
app.command("submit")(submit.submit)
app.command("demo")(demo.demo)
app.add_typer(node.config, name="config")
app.add_typer(transfer.app, name="transfer")
app.add_typer(inbox.app, name="inbox")
app.add_typer(schema.app, name="schema")
app.add_typer(codelist.app, name="codelist")
app.add_typer(rule.app, name="rule")
app.add_typer(policy.app, name="policy")
app.add_typer(audit.app, name="audit")
app.add_typer(pki.app, name="pki")
app.add_typer(token.app, name="token")


def main() -> None:
    """Run the command line; the console script of the package."""
    app()
