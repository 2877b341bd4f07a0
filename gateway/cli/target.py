"""Which node a command talks to, and as whom: `--url --token --ca`, or `--config` of the node, or the environment.

A token on a command line can be read by other users of the machine; `--token-file` and GATEWAY_TOKEN are the better
ways. With `--config` the address of the right listener and the authority come from the node's own settings.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gateway.cli.output import fail, reporting, violation_lines

if TYPE_CHECKING:
    import ssl

    from gateway.client import ClientError, InboxClient, OperationsClient, SubmissionClient

__all__ = [
    "Ca",
    "Config",
    "Target",
    "TokenFile",
    "TokenText",
    "Url",
    "calling",
    "fetching",
    "operations",
    "submissions",
]

Value = TypeVar("Value")

Url = Annotated[str, typer.Option("--url", envvar="GATEWAY_URL", help="Address of the API, https://host:port.")]
TokenText = Annotated[
    str, typer.Option("--token", envvar="GATEWAY_TOKEN", help="Bearer token.", show_envvar=True, metavar="TOKEN")
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="File that holds the bearer token.", exists=True, dir_okay=False)
]
Ca = Annotated[
    Path | None,
    typer.Option("--ca", help="Root certificates (PEM) to check the server with.", exists=True, dir_okay=False),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings of the node, instead of --url and --ca.", exists=True, dir_okay=False),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The options of one call, as given."""

    url: str
    token: str = field(repr=False)
    token_file: Path | None
    ca: Path | None
    config: Path | None


@asynccontextmanager
async def submissions(target: Target) -> "AsyncIterator[SubmissionClient]":
    """Open a client of the submission API."""
    from gateway.client import SubmissionClient

    url, roots = _where(target, "submission")
    async with SubmissionClient(url, _token(target), _context(roots)) as client:
        yield client


@asynccontextmanager
async def fetching(target: Target) -> "AsyncIterator[InboxClient]":
    """Open a client of the submission API for a back end that pulls."""
    from gateway.client import InboxClient

    url, roots = _where(target, "submission")
    async with InboxClient(url, _token(target), _context(roots)) as client:
        yield client


@asynccontextmanager
async def operations(target: Target) -> "AsyncIterator[OperationsClient]":
    """Open a client of the operations API."""
    from gateway.client import OperationsClient

    url, roots = _where(target, "operations")
    async with OperationsClient(url, _token(target), _context(roots)) as client:
        yield client


def calling(work: Callable[[], Coroutine[Any, Any, Value]], *, as_json: bool) -> Value:
    """Run `work` to its end; a refusal of the node is printed and ends the command with exit code 1."""
    import asyncio

    with reporting(as_json=as_json), _refusals(as_json=as_json):
        return asyncio.run(work())
    raise AssertionError("fail() does not return")


@contextmanager
def _refusals(*, as_json: bool) -> Iterator[None]:
    from gateway.client import ClientError

    try:
        yield
    except ClientError as error:
        # JSON has every other line of it as members.
        told = error.detail if as_json else " · ".join(explained(error))
        fail(error.code, told, as_json=as_json, members=_members(error))


def explained(error: "ClientError") -> list[str]:
    """Return a refusal in lines: what, then for which recipient, in which file, or at which place of the document."""
    findings = error.problem.get("findings", ())
    lines = [error.problem.get("title", error.detail) if findings else error.detail, *map(str, findings)]
    for one in error.problem.get("recipients", ()):
        recipient = one.get("recipient") or "the document"
        lines.append(f"{recipient}: {one.get('code')}: {one.get('detail', one.get('title', ''))}")
        lines += [line for violation in one.get("violations", ()) for line in violation_lines(violation)]
    lines += [line for violation in error.problem.get("violations", ()) for line in violation_lines(violation)]
    if recall := error.problem.get("recall"):
        lines += ["Try again when the partner answers, or have this text sent to its people:", str(recall)]
    return lines


def _members(error: "ClientError") -> dict[str, Any]:
    return {"status": error.status, **{k: v for k, v in error.problem.items() if k not in {"code", "detail", "status"}}}


def _where(target: Target, listener: str) -> tuple[str, Path | None]:
    if target.config is None:
        if not target.url:
            raise typer.BadParameter("give --url and a token, or --config of the node", param_hint="--url")
        return target.url, target.ca
    from gateway.settings import Listener, load_node

    # What the node needs beside its address may be away for a moment, such as a share of its back end.
    settings = load_node(target.config, look=False)
    door: Listener = getattr(settings.listeners, listener)
    host = f"[{door.host}]" if ":" in door.host else door.host
    own = f"{'http' if door.tls is None else 'https'}://{host}:{door.port}"
    return target.url or own, target.ca or settings.trust.roots


def _token(target: Target) -> str:
    given = target.token_file.read_bytes().decode("utf-8", "replace") if target.token_file else ""
    token = (target.token or given).strip()
    if not token:
        raise typer.BadParameter("give --token-file, or set GATEWAY_TOKEN", param_hint="--token")
    if not is_visible_ascii(token):
        raise typer.BadParameter("a token is one line of ASCII without blanks", param_hint="--token")
    return token


def is_visible_ascii(text: str) -> bool:
    """Tell whether `text` can stand in an HTTP header as one word."""
    return text.isascii() and text.isprintable() and " " not in text


def _context(roots: Path | None) -> "ssl.SSLContext | None":
    import ssl

    return None if roots is None else ssl.create_default_context(cafile=str(roots))
