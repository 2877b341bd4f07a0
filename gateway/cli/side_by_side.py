"""Two columns of a tree in a terminal of any width: classes as lines of their own, values beside each other.

In a narrow terminal the columns go below each other. Nothing is cut: what is too long is folded.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len, chop_cells

from gateway.cli.output import plain

__all__ = ["Row", "columns", "print_columns"]

_NARROW: Final = 60
_LEAST: Final = 8
_HANG: Final = "    "
_GAP: Final = " │ "


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One value. `path`: from the root, steps set apart by `/`. `cells`: a sign and a text for each column; where the
    sign is None the text alone is shown, without the name."""

    path: str
    cells: tuple[tuple[str | None, str], ...]


def print_columns(heads: Sequence[str], rows: Sequence[Row], width: int) -> None:
    """Print rows in `width` columns of the terminal under `heads`."""
    for line in columns(heads, rows, width):
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(line.encode(encoding, "replace").decode(encoding) + "\n")


def columns(heads: Sequence[str], rows: Sequence[Row], width: int) -> Iterator[str]:
    """Yield the lines that `print_columns` prints, each at most `width` cells long."""
    is_narrow = width < _NARROW
    each = width if is_narrow else (width - len(_GAP) * (len(heads) - 1)) // len(heads)
    if is_narrow:
        for head in heads:
            yield from _folded(head, width, "")
    else:
        yield from _beside([_folded(head, each, "") for head in heads], each)
    yield "─" * width
    above: list[str] = []
    for row in rows:
        *classes, name = row.path.removeprefix("/").split("/")
        if name.startswith("@") and classes:
            classes, name = classes[:-1], f"{classes[-1]}/{name}"
        yield from _opened(above, classes, width)
        above = classes
        indent = "  " * min(len(classes), max(each - _LEAST - len(_HANG), 0) // 6)
        texts = [_cell(sign, name, text) for sign, text in row.cells]
        if is_narrow:
            for (sign, _), text in zip(row.cells, texts, strict=True):
                yield from _folded(text, width, f"{indent}{_HANG}" if sign is None else indent)
        else:
            yield from _beside([_folded(text, each, indent) for text in texts], each)


def _opened(above: Sequence[str], classes: Sequence[str], width: int) -> Iterator[str]:
    """Yield a line for each class that starts before this value."""
    shared = next((at for at, (one, other) in enumerate(zip_longest(above, classes)) if one != other), len(classes))
    for depth, step in enumerate(classes[shared:], start=shared):
        yield from _folded(step, width, "  " * min(depth, max(width - _LEAST - len(_HANG), 0) // 6))


def _cell(sign: str | None, name: str, text: str) -> str:
    return plain(text) if sign is None else " ".join(filter(None, (sign, name, plain(text))))


def _folded(text: str, width: int, indent: str) -> list[str]:
    """Return a text in lines of at most `width` cells (a Chinese sign takes two), all after the first hanging."""
    hang = f"{indent}{_HANG}"
    lines = [""]
    for word in text.split(" "):
        for number, part in enumerate(chop_cells(word, max(width - len(hang), _LEAST)) or [""]):
            start = indent if len(lines) == 1 else hang
            joined = f"{lines[-1]}{'' if number or not lines[-1] else ' '}{part}"
            if lines[-1] and cell_len(start + joined) > width:
                lines.append(part)
            else:
                lines[-1] = joined
    return [f"{hang if number else indent}{line}" for number, line in enumerate(lines)]


def _beside(cells: Sequence[Sequence[str]], each: int) -> Iterator[str]:
    for parts in zip_longest(*cells, fillvalue=""):
        yield _GAP.join(part + " " * (each - cell_len(part)) for part in parts).rstrip()
