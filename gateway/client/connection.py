"""One session to one API: sends requests, and turns every refusal into a ClientError that holds the problem."""

import io
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import orjson

__all__ = ["Answer", "ClientError", "Connection", "refusal_of"]

_MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_LARGE_BYTES: Final = 1024 * 1024


class ClientError(Exception):
    """A request that did not succeed.

    `status` is the HTTP status, or None when there was no answer; `code` is the problem's (RFC 9457, docs/errors.md),
    or `client.unreachable`, `client.interrupted`, `client.tls_refused`, `client.timeout`, `client.unexpected_answer`.
    `problem` holds all members of the problem.
    """

    def __init__(
        self, code: str, detail: str, *, status: int | None = None, problem: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.problem: Mapping[str, Any] = dict(problem or {})

    @property
    def title(self) -> str:
        """What went wrong in general."""
        return str(self.problem.get("title", self.detail))

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer of the 2xx kind."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises ClientError `client.unexpected_answer`."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise ClientError("client.unexpected_answer", "The answer is not JSON", status=self.status) from error
        if not isinstance(value, dict):
            raise ClientError("client.unexpected_answer", "The answer is not a JSON object", status=self.status)
        return value


class Connection:
    """An asynchronous context manager around one HTTP session.

    `tls`: the context to verify an https server with; None takes the system's roots.
    """

    def __init__(
        self,
        url: str,
        token: str,
        tls: ssl.SSLContext | None = None,
        *,
        timeout: timedelta = timedelta(seconds=60),
    ) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._tls = tls
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout.total_seconds()),
            # No proxy, cookie or netrc of the environment has a say in where a declaration goes.
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Return the answer to one request. Raises ClientError for any other outcome than 2xx."""
        async with self._send(method, path, query, headers, body) as response:
            content = await _read(response)
            answer = Answer(status=response.status, headers=response.headers, body=content)
        if 200 <= answer.status < 300:
            return answer
        raise _refusal(answer)

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """Yield the body of a GET as it comes. Raises ClientError, also when the body ends early."""
        async with self._send("GET", path, None, None, None) as response:
            if response.status != 200:
                raise _refusal(Answer(status=response.status, headers=response.headers, body=await _read(response)))
            async for chunk in response.content.iter_any():
                yield chunk

    @asynccontextmanager
    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: bytes | None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("use the client as a context manager: async with …")
        authorization = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            async with self._session.request(
                method,
                f"{self._url}{path}",
                params=query,
                headers={**authorization, **(headers or {})},
                # aiohttp sends what it reads from a file piece by piece.
                data=io.BytesIO(body) if body is not None and len(body) > _LARGE_BYTES else body,
                ssl=self._tls if self._tls is not None else True,
                allow_redirects=False,
            ) as response:
                yield response
        except aiohttp.ClientSSLError as error:
            detail = f"{self._url}: the TLS handshake failed; is --ca the right authority?"
            raise ClientError("client.tls_refused", detail) from error
        except TimeoutError as error:
            raise ClientError("client.timeout", f"{self._url} did not answer in time") from error
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise ClientError("client.unreachable", f"{self._url} can not be reached") from error
        except aiohttp.ClientConnectionError as error:
            detail = f"The connection to {self._url} broke before the answer came"
            raise ClientError("client.interrupted", detail) from error
        except aiohttp.ClientError as error:
            raise ClientError("client.unexpected_answer", f"{self._url} sent something that is not HTTP") from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_ANSWER_BYTES:
            raise ClientError("client.unexpected_answer", "The answer is too large", status=response.status)
    return bytes(body)


def refusal_of(problem: Mapping[str, Any], *, status: int) -> ClientError:
    """Return what a problem of a gateway says. Raises KeyError when it has no code."""
    detail = problem.get("detail", problem.get("title", ""))
    return ClientError(str(problem["code"]), str(detail), status=status, problem=problem)


def _refusal(answer: Answer) -> ClientError:
    """Return the problem of a refusal, or a plain error where the answer is no problem of a gateway."""
    if answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        problem = answer.json()
        if isinstance(problem.get("code"), str):
            return refusal_of(problem, status=answer.status)
    detail = f"The server answered {answer.status}, and not as a gateway does; is the address right?"
    return ClientError("client.unexpected_answer", detail, status=answer.status)
