"""How much is in work at one listener: requests, and the bytes that their bodies may bring.

Two bounds. The whole, so that memory stays where it is; and the share of one client or partner, so that one who sends
everything slowly, or everything at once, leaves room for others. What is too much is refused before its body is read.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import GatewayError

__all__ = ["Load"]


class Load:
    """Counts what is in work. At most `requests`, with bodies of `size` bytes in all; half of either for one client.

    Used on the event loop only.
    """

    def __init__(self, *, requests: int, size: int) -> None:
        self._most_requests = requests
        self._most_size = size
        self._requests = 0
        self._size = 0
        self._requests_of: Counter[str] = Counter()
        self._size_of: Counter[str] = Counter()

    def enter(self, weight: int) -> None:
        """Count a request in. `weight`: the bytes its body may bring."""
        self._requests += 1
        self._size += weight

    def leave(self, weight: int) -> None:
        """Count it out again."""
        self._requests -= 1
        self._size -= weight

    def check(self, weight: int) -> None:
        """Raise GatewayError `capacity.exhausted` when the request that entered last is one too many."""
        if self._requests > self._most_requests or (weight and self._size > self._most_size):
            raise GatewayError("capacity.exhausted")

    @contextmanager
    def room_for(self, name: str) -> Iterator[None]:
        """Hold a place among all, and of this client's share. Raises GatewayError `capacity.…`."""
        self.enter(0)
        try:
            self.check(0)
            with self.share_of(name, 0):
                yield
        finally:
            self.leave(0)

    @contextmanager
    def share_of(self, name: str, weight: int) -> Iterator[None]:
        """Hold a place of this client's share. Raises GatewayError `capacity.share_exhausted` when it has none left.

        A single request always finds its place, however large: the listener's own limits have let it in.
        """
        requests, size = self._requests_of[name] + 1, self._size_of[name] + weight
        if requests > 1 and (requests > self._most_requests // 2 or (weight and size > self._most_size // 2)):
            raise GatewayError("capacity.share_exhausted")
        self._requests_of[name], self._size_of[name] = requests, size
        try:
            yield
        finally:
            self._requests_of[name] -= 1
            self._size_of[name] -= weight
            if not self._requests_of[name]:
                del self._requests_of[name], self._size_of[name]
