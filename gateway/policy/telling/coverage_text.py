"""Coverage as text: a tree with one column for each policy, and counts by privacy class. For terminals and for docs.

Only leaves are counted in it: most of the attributes that a set allows are names of code lists, and hide the picture.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from gateway.policy.telling.coverage import CoveredNode, CoveredPlace, Fate
from gateway.schema import PrivacyClass

__all__ = ["SIGNS", "by_class", "leaving", "tree_lines"]

SIGNS: Final[Mapping[Fate, str]] = {Fate.KEPT: "=", Fate.CHANGED: "~", Fate.AT_TIMES: "?", Fate.WITHHELD: "-"}
"""How a fate is shown in a tree."""

_LEAVES: Final = (Fate.KEPT, Fate.CHANGED, Fate.AT_TIMES)


def leaving(fates: Mapping[Fate, int]) -> str:
    """Return counts in words: how many of how many places may leave, and of those how many not simply as they are."""
    total, leave = sum(fates.values()), sum(fates.get(one, 0) for one in _LEAVES)
    more = [
        f"{fates[one]} {word}"
        for one, word in ((Fate.CHANGED, "changed"), (Fate.AT_TIMES, "at times"))
        if fates.get(one)
    ]
    told = ", ".join(more)
    return f"{leave} of {total} ({told})" if told else f"{leave} of {total}"


def by_class(columns: Sequence[Sequence[CoveredNode]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield in each column how many leaves of each privacy class may leave, of all leaves, and of all attributes."""
    counted = [[node.counts() for node in column] for column in columns]
    for privacy in (*PrivacyClass, None):
        cells = [_sum(counts.get(privacy, Counter()) for counts in column) for column in counted]
        if any(cell.total() for cell in cells):
            yield "not classed" if privacy is None else privacy.value, tuple(leaving(cell) for cell in cells)
    for title, attributes in (("all elements", False), ("all attributes", True)):
        whole = [_sum(node.fates(attributes=attributes) for node in column) for column in columns]
        yield title, tuple(leaving(cell) for cell in whole)


def _sum(counts: Iterable[Counter[Fate]]) -> Counter[Fate]:
    return sum(counts, Counter())


def tree_lines(
    columns: Sequence[Sequence[CoveredNode]], *, full: bool = False
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield lines of the tree: a sign or a count for each column, then the indented name.

    Folded: a class of which all leaves have one fate in every column, and no attribute leaves, is one line; attributes
    are shown where they leave. `full`: nothing folded. The columns are coverages of one schema set.
    """
    for nodes in zip(*columns, strict=True):
        yield from _lines(nodes, 0, full=full)


def _lines(nodes: Sequence[CoveredNode], depth: int, *, full: bool) -> Iterator[tuple[tuple[str, ...], str]]:
    fates = [node.fates() for node in nodes]
    total = fates[0].total()
    if not total:
        return
    is_uniform = all(len(one) == 1 for one in fates)
    yield tuple(_cell(one, total) for one in fates), f"{'  ' * depth}{_name(nodes, total, is_uniform=is_uniform)}"
    if is_uniform and not full and not any(_attributes_leave(node) for node in nodes):
        return
    for at, place in enumerate(nodes[0].own):
        signs = [node.own[at].fate for node in nodes]
        if place.is_attribute and (full or set(signs) != {Fate.WITHHELD}):
            shown = f"{'  ' * depth}  {place.path.rpartition('/')[2]}{_classes([place])}"
            yield tuple(SIGNS[one] for one in signs), f"{shown}{_how(nodes, at)}"
    for below in zip(*(node.children for node in nodes), strict=True):
        yield from _lines(below, depth + 1, full=full)


def _name(nodes: Sequence[CoveredNode], total: int, *, is_uniform: bool) -> str:
    first = nodes[0]
    if first.children:
        return f"{first.name}/ ({total}){_classes(first.places()) if is_uniform else ''}"
    return f"{first.name}{_classes(first.own)}{_how(nodes, len(first.own) - 1)}"


def _classes(places: Iterable[CoveredPlace]) -> str:
    found = sorted({one.privacy.value for one in places if one.privacy is not None and "/@" not in one.path})
    return f"  [{', '.join(found)}]" if found else ""


def _how(nodes: Sequence[CoveredNode], at: int) -> str:
    """Return what is to be said of one place beyond its fate, once for all columns that say the same."""
    told = dict.fromkeys(node.own[at].how for node in nodes if node.own[at].how)
    return f"  {'; '.join(told)}" if told else ""


def _attributes_leave(node: CoveredNode) -> bool:
    return set(node.fates(attributes=True)) - {Fate.WITHHELD} != set()


def _cell(fates: Mapping[Fate, int], total: int) -> str:
    if len(fates) == 1:
        return SIGNS[next(iter(fates))]
    return f"{sum(fates.get(one, 0) for one in _LEAVES)}/{total}"
