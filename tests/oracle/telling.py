"""What becomes of every value of a document, told one by one: what `explain` must say, worked out a second time.

Uses nothing of the gateway.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.documents import Element, walk
from tests.oracle.oracle import Judge
from tests.oracle.policy_file import Rule


@dataclass(frozen=True)
class Fate:
    """One leaf or attribute, in the order of the document. `rule`: the one that decides; None: default deny.

    `is_ruled`: whether rules speak for it at all; for an attribute that has a namespace none does.
    """

    path: str
    kept: bool
    changed: bool
    is_empty: bool
    rule: Rule | None
    is_ruled: bool = True


def fates(judge: Judge, original: bytes) -> list[Fate]:
    """Return what becomes of every leaf and attribute of a document of which there is a view."""
    view = judge.expected(original)
    standing = {} if view is None else {id(one.origin): one for one in walk(view)}
    return list(_below(judge, judge.root(original), standing))


def _below(judge: Judge, element: Element, standing: dict[int, Element]) -> Iterator[Fate]:
    twin = standing.get(id(element))
    sent = {} if twin is None else dict(twin.attributes)
    for name, value in element.attributes:
        rule, _ = judge.deciding.rule_for(element, name[1])
        is_ruled = not name[0] and element.path in judge.places and name[1] in judge.places[element.path].attributes
        yield _fate(f"{element.path}/@{name[1]}", value, sent.get(name), rule, is_ruled=is_ruled)
    if not element.children:
        rule, _ = judge.deciding.rule_for(element)
        yield _fate(element.path, element.text, None if twin is None else twin.text, rule)
    for child in element.children:
        yield from _below(judge, child, standing)


def _fate(path: str, value: str, sent: str | None, rule: Rule | None, *, is_ruled: bool = True) -> Fate:
    kept = sent is not None and (bool(sent) or not value)
    return Fate(path, kept, kept and sent != value, not value and not sent, rule, is_ruled)
