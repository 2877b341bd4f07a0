"""`gateway demo`: two gateways on this machine exchange sample documents."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import AsJson, reporting

__all__ = ["demo"]


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave both gateways running until Ctrl-C.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Folder to lay everything out in; a temporary one otherwise.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Lay out two gateways with keys of their own, exchange sample documents, and check every claim.

    Exit code 0 only if all is as it should be.
    """
    import asyncio
    import io

    from rich.console import Console

    from gateway.demo import run_demo

    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise typer.BadParameter("exists already: remove it, or name another folder", param_hint="--dir")
    told = io.StringIO()
    console = Console(file=told, width=100) if as_json else Console(highlight=False)
    with reporting(as_json=as_json):
        try:
            code = asyncio.run(run_demo(folder=folder, keep=keep, console=console))
        except (KeyboardInterrupt, asyncio.CancelledError):
            code = 0
    if as_json:
        typer.echo(json.dumps({"passed": code == 0, "report": told.getvalue().splitlines()}))
    raise typer.Exit(code)
