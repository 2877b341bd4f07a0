"""The part of the store that keeps every text that was ever in force. See `store.py` for what holds of every method."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from gateway.domain.wording import Followed, Wording


class WordingStore(Protocol):
    """Texts of agreements and policies, and when each was followed. Nothing here is ever deleted."""

    async def put_in_force(
        self, wordings: Collection[Wording], *, actor: str, reason: str = "", now: datetime
    ) -> tuple[int, int]:
        """Note that these texts, and no others, are followed from now on. Return how many came and how many went; each
        has its audit record in the same commit. Those that stay are left as they are."""
        ...

    async def history(self, *, of: str = "", begins: str = "", limit: int = 100) -> list[Followed]:
        """Return when which texts were followed, the newest first. `of`: only the agreement or policy of this id.
        `begins`: only texts of which a hash begins so, that over the meaning or that over the bytes."""
        ...

    async def wording(self, text_sha256: str) -> Wording | None:
        """Return a text by the hash over its bytes."""
        ...
