"""Which network addresses a channel may reach, decided on the address itself and not on a name.

A URL in a settings file, or a partner's DNS, could point the gateway at its own host, at a neighbour or at a cloud's
metadata address (server-side request forgery). Names are resolved here, every address is judged, and the connection
goes to a judged address, so a name that changes between check and use gains nothing. Sources: RFC 1918, RFC 6598,
RFC 4193, RFC 6890.
"""

import errno
import ipaddress
import socket
from dataclasses import dataclass
from enum import Enum
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PRIVATE: Final = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class Area(Enum):
    """Where an address lies. NEVER: link-local (cloud metadata lives there), multicast, reserved, documentation."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    NEVER = "never"


class AddressRefusedError(OSError):
    """Every address of a host lies where the endpoint may not reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where one endpoint may connect to. Private networks and loopback only when the settings say so."""

    public: bool = True
    private: bool = False
    loopback: bool = False

    def permits(self, address: str) -> bool:
        """Tell whether this numeric address may be connected to."""
        match area_of(address):
            case Area.PUBLIC:
                return self.public
            case Area.PRIVATE:
                return self.private
            case Area.LOOPBACK:
                return self.loopback
            case Area.NEVER:
                return False


def area_of(address: str) -> Area:
    """Return where a numeric IPv4 or IPv6 address lies. Raises ValueError if it is not an address."""
    ip = _innermost(ipaddress.ip_address(address.partition("%")[0]))
    if isinstance(ip, ipaddress.IPv6Address) and ip.sixtofour is not None:
        return Area.NEVER  # 6to4 is retired (RFC 7526): whose relay would carry it, nobody can say
    if ip.is_loopback:
        return Area.LOOPBACK
    if any(ip in network for network in _PRIVATE):
        return Area.PRIVATE
    if ip.is_global and not (ip.is_multicast or ip.is_reserved):
        return Area.PUBLIC
    return Area.NEVER


def _innermost(ip: _Address) -> _Address:
    # An IPv4 address written as IPv6 reaches the IPv4 host; judge that one (RFC 4291 §2.5.5.2, RFC 6052).
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip


class GuardedResolver(AbstractResolver):
    """Resolves a host name and gives back only the addresses within `reach`. Needs a running event loop."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the permitted addresses. Raises AddressRefusedError when none is left, OSError when none is found."""
        found = await self._resolver.resolve(host, port, family)
        permitted = [one for one in found if self._reach.permits(one["host"])]
        if not permitted:
            raise AddressRefusedError(errno.EACCES, "no address of the host is one that this endpoint may reach")
        return permitted

    async def close(self) -> None:
        """Release the resolver."""
        await self._resolver.close()
