"""The command line: `gateway NOUN VERB`. One file a noun; commands import what they need when they run."""

from gateway.cli.root import main

__all__ = ["main"]
