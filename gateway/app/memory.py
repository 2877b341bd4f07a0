"""What a node laid out at its start, set aside for good, so that no message waits while the collector walks it.

Modules, settings, rules and routes are some 180,000 objects that live as long as the process. Python's collector walks
all of them every few hundred messages, and nothing else happens meanwhile: 50 to 100 ms, the longest wait of all on the
way to a 202. What is set aside is walked no more; what messages make is still collected, though less often than Python
would by itself: it lives as long as its group is under way, so each look finds it alive, and next to none of it is ever
in a cycle (docs/performance-changes.md).
"""

import gc
from typing import Final

__all__ = ["set_aside", "set_aside_anew"]


_LOOKED_AT_AFTER: Final = 10_000
"""Objects made and not yet let go, after which the collector looks at them; Python's own number is 700."""


def set_aside() -> None:
    """Free what is garbage, and have the collector leave alone what is not. Takes about a tenth of a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_LOOKED_AT_AFTER)


def set_aside_anew() -> None:
    """Free what became garbage among what was set aside, after a reload. Does nothing where nothing was."""
    if gc.get_freeze_count():
        gc.unfreeze()
        set_aside()
