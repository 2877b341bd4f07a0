"""What happened, line by line, with virtual times. Two runs of one seed give the same lines, in any process.

Nothing stands in it that differs between runs: no bytes that hold a signature or a key of the day.
"""

import asyncio
import hashlib


class Trace:
    """The lines of one run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, who: str, what: str, /, **facts: object) -> None:
        """Add a line."""
        told = " ".join(f"{name}={value}" for name, value in facts.items() if value not in {"", None})
        self.lines.append(f"{asyncio.get_running_loop().time():11.4f}  {who:<9} {what} {told}".rstrip())

    @property
    def sha256(self) -> str:
        """Return the hash of all lines, hex."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()


def short(message_id: object) -> str:
    """Return a message id short enough to read, long enough to tell apart."""
    return str(message_id)[-6:]
