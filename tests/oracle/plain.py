"""What a parsed tree does not show of a view's bytes: all of it could carry words too. Uses nothing of the gateway.

Blanks around the root and inside tags, CDATA, comments, characters written as references without need.
"""

import re
from collections.abc import Iterator

_PLAIN = re.compile(
    rb'<\?xml version="1\.0" encoding="UTF-8"\?>(?=<)'
    rb'(?:<[\w:.-]+(?: [\w:.-]+="(?:[^"<>&]|&(?:amp|lt|gt|quot|#9|#10|#13);)*")*/?>'
    rb"|</[\w:.-]+>"
    rb"|(?:[^<>&]|&(?:amp|lt|gt|#13);)+(?=<))+"
)


def is_plain(view: bytes) -> bool:
    """Tell whether bytes are written in the one way that leaves no room beside values."""
    return _PLAIN.fullmatch(view) is not None


def oddities(view: bytes) -> Iterator[str]:
    """Yield a complaint if they are not."""
    if not is_plain(view):
        yield "the bytes are not written in the one plain way"
