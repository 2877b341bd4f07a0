"""`gateway demo`: two gateways on this machine exchange sample documents."""

import io
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.output import AsJson, reporting

__all__ = ["demo"]

_WIDTH: Final = 100
"""Columns where the output is no terminal, so that a saved report reads as it did on the screen."""


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

    from rich.console import Console

    from gateway.demo import run_demo

    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise typer.BadParameter("exists already: remove it, or name another folder", param_hint="--dir")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a pipe in another encoding must not break the report
    width = None if sys.stdout.isatty() else _WIDTH
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)
    with reporting(as_json=as_json):
        try:
            code = asyncio.run(run_demo(folder=folder, keep=keep, console=console, as_json=as_json))
        except (KeyboardInterrupt, asyncio.CancelledError):
            code = 1  # ended before anything could be said
    raise typer.Exit(code)
