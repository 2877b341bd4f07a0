"""Reads a policy from a file, with the files it includes from beside it or below."""

from pathlib import Path

from gateway.errors import Finding
from gateway.policy import Include, Policy, draft_policy, read_policy
from gateway.policy.language.source import MAX_BYTES
from gateway.settings.plain import plain_bytes

__all__ = ["draft_policy_file", "included_beside", "read_policy_file"]


def included_beside(file: Path) -> Include:
    """Return what gives the files that the policy in `file` includes. It raises OSError for any that lies elsewhere,
    by way of a link too."""
    folder = file.resolve().parent

    def include(name: str) -> bytes:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder):
            raise PermissionError(name)
        return _read(path)

    return include


def draft_policy_file(file: Path, *, shown: str = "") -> tuple[Policy | None, tuple[Finding, ...]]:
    """Return what could be read of the policy in `file`, and what is wrong with it so far; `shown` names it.

    Raises OSError when the file itself can not be read.
    """
    return draft_policy(_read(file), file=shown or str(file), include=included_beside(file))


def read_policy_file(file: Path) -> Policy:
    """Return the policy in `file`. Raises ConfigurationError `policy.invalid`, OSError."""
    return read_policy(_read(file), file=str(file), include=included_beside(file))


def _read(path: Path) -> bytes:
    """Return what stands in a file, of one that is too large only so much that it is seen to be."""
    return plain_bytes(path, MAX_BYTES + 1)
