"""Where one other side is reached: its URL, the TLS context that proves both ends, and which addresses may be used.

TLS always, but for a loopback address that the settings name as insecure. The context comes from the trust room with
everything decided (version, CA, client certificate, the check of the server's names within the handshake).
"""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import SplitResult, urlsplit

from gateway.channels.addresses import Area, Reach, area_of
from gateway.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait. `connect`: for one TCP and TLS handshake. `ping`: for a whole ping. `total`: for any other
    whole request, waiting for a free connection included; it must stay below the lease under which a message is sent.
    """

    connect: timedelta = timedelta(seconds=10)
    ping: timedelta = timedelta(seconds=5)
    total: timedelta = timedelta(seconds=45)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One other side. `url`: scheme, host, optional port and path; no user, query or fragment.

    `tls` is required unless the URL is plain http, which is allowed only to loopback and only with
    `insecure_plain_http`. The context sees to it that each byte goes to the right party, on kept connections too.
    `allow_private`: addresses of private networks may be used. `allow_loopback`: this host. `connections`: at most so
    many at once, kept open.

    Raises ConfigurationError `config.invalid` for anything else.
    """

    url: str
    tls: ssl.SSLContext | None = None
    allow_private: bool = False
    allow_loopback: bool = False
    insecure_plain_http: bool = False
    timeouts: Timeouts = Timeouts()
    connections: int = 8

    def __post_init__(self) -> None:
        parts = _split(self.url)
        if parts.scheme == "http":
            self._check_plain(parts)
        elif self.tls is None:
            raise ConfigurationError("config.invalid", f"The endpoint {self.url} needs a TLS context")
        address = _numeric(parts.hostname or "")
        if address is not None and not self.reach.permits(address):
            raise ConfigurationError(
                "config.invalid",
                f"The endpoint {self.url} names an address it may not reach: set allow_private or allow_loopback for "
                "it, or use a public address",
            )

    def _check_plain(self, parts: SplitResult) -> None:
        host = parts.hostname or ""
        address = _numeric(host)
        here = host == "localhost" if address is None else area_of(address) is Area.LOOPBACK
        if not (self.insecure_plain_http and here):
            raise ConfigurationError(
                "config.invalid",
                f"The endpoint {self.url} is not https: plain http is possible only to this host, and only with "
                "insecure_plain_http",
            )
        if self.tls is not None:
            raise ConfigurationError("config.invalid", f"The endpoint {self.url} has a TLS context, so write https")

    @property
    def plain(self) -> bool:
        """Whether this endpoint goes without TLS."""
        return self.tls is None

    @property
    def reach(self) -> Reach:
        """Where connections may go. Without TLS: nowhere but to this host."""
        if self.plain:
            return Reach(public=False, loopback=True)
        return Reach(private=self.allow_private, loopback=self.allow_loopback)

    def address(self, path: str) -> str:
        """Return the URL of `path` (with its leading slash, or empty) under this endpoint."""
        return self.url.rstrip("/") + path if path else self.url


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError("config.invalid", "The URL of an endpoint can not be read") from error
    sound = (
        url.isascii()
        and url.isprintable()
        and " " not in url
        and parts.scheme in {"https", "http"}
        and parts.hostname
        and port != 0
        and "@" not in parts.netloc
        and not ("?" in url or "#" in url)
    )
    if not sound:
        raise ConfigurationError(
            "config.invalid",
            "The URL of an endpoint must be https with a host, an optional port and a path; no user, query or fragment",
        )
    return parts


def _numeric(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        # Short forms such as 127.1 are no addresses here, and no names either: aiohttp refuses them.
        return None
