"""Ports that a test keeps for its gateways and servers while they are down for a moment.

A port is kept by a socket that is bound to it and does not listen: who listens with SO_REUSEADDR, as every server of
asyncio does, is not in its way; who connects while nobody listens is refused as ever; and who looks for a free port
(`gateway.demo.layout.free_ports`, or the system for a connection of its own) is given another one.
"""

import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def kept(ports: Iterable[int]) -> Iterator[None]:
    """Keep these ports of loopback. Raises OSError for one that somebody listens on."""
    with ExitStack() as stack:
        for port in ports:
            keeper = stack.enter_context(socket.socket())
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            keeper.bind(("127.0.0.1", port))
        yield
