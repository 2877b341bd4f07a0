"""`gateway token`: bearer tokens for development. In production an identity provider issues them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import AsJson, print_json, reporting
from gateway.cli.target import Config
from gateway.domain.access import Role
from gateway.domain.ids import ClientId

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Development bearer tokens: init, issue.")


@app.command("init")
def init(
    folder: Annotated[Path, typer.Option("--dir", help="Folder to make the issuer in.")], as_json: AsJson = False
) -> None:
    """Make a development issuer: its key, and the JWKS file that a node's settings name."""
    from gateway.trust import create_issuer

    with reporting(as_json=as_json):
        jwks = create_issuer(folder)
    if as_json:
        print_json({"jwks": jwks})
    else:
        typer.echo(jwks)


@app.command("issue")
def issue(
    folder: Annotated[
        Path, typer.Option("--issuer-dir", help="Folder of the development issuer.", exists=True, file_okay=False)
    ],
    client: Annotated[str, typer.Option(help="Client id, as registered in the node's settings.")],
    role: Annotated[list[Role], typer.Option(help="What the client may be; repeat it.")],
    issuer: Annotated[str, typer.Option(help="`iss`; that of --config otherwise.")] = "",
    audience: Annotated[str, typer.Option(help="`aud`; that of --config otherwise.")] = "",
    config: Config = None,
    minutes: Annotated[int, typer.Option(help="How long it is valid.", min=1, max=1440)] = 60,
    as_json: AsJson = False,
) -> None:
    """Print a token, signed by the development issuer."""
    from gateway.trust import issue_token

    with reporting(as_json=as_json):
        if config is not None:
            from gateway.settings import load_node

            tokens = load_node(config, look=False).tokens
            issuer, audience = issuer or tokens.issuer, audience or tokens.audience
        if not issuer or not audience:
            raise typer.BadParameter("give --issuer and --audience, or --config of the node")
        made = issue_token(
            folder,
            issuer=issuer,
            audience=audience,
            client=ClientId(client),
            roles=[one.value for one in role],
            now=datetime.now(UTC),
            lifetime=timedelta(minutes=minutes),
        )
    if as_json:
        print_json({"token": made})
    else:
        typer.echo(made)
