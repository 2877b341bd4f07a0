"""Puts a privacy class on every leaf and attribute of a tree.

Several files may speak for a set; the first that has an entry for a place counts. First comes what the operator
overrides, then what was reviewed for this set. Where both are silent the class is guessed, and says so: from the WCO id
as the reviewed files of other sets use it, then from patterns of names, then from the type.

Within a file the entry nearest to a place counts: one of its own before one of what holds it, and of two of its own the
longer.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

from gateway.errors import Finding
from gateway.schema.facts.nodes import AttributeFacts, Classed, PrivacyClass, SchemaNode, SchemaTree, ValueFacts
from gateway.schema.facts.privacy_file import PrivacyEntry, PrivacyFile, invalid

_LONGEST_NEUTRAL: Final = 3
_NO_TEXT: Final = Classed(
    privacy=PrivacyClass.NEUTRAL, reason="No text: a number, a date or a short code", guessed=True
)
_TEXT: Final = Classed(privacy=PrivacyClass.PERSONAL, reason="Text of which nothing is known", guessed=True)
_TEXTLESS: Final = frozenset({"decimal", "integer", "int", "boolean", "date", "dateTime", "gYear", "time", "language"})


def classified(tree: SchemaTree, set_id: str, files: Iterable[PrivacyFile]) -> SchemaTree:
    """Return the tree of the set `set_id` with a class on every leaf and attribute. `files`: the first counts most.

    Raises ConfigurationError `config.invalid` when a file made for this set alone names an element it does not have.
    """
    work = _Classifying(set_id, tuple(files))
    roots = tuple(work.node(root, tuple(tree.home(root).split("/")[1:]), {}) for root in tree.roots)
    findings = [finding for file in work.files if file.sets == (set_id,) for finding in work.unknown(file, tree)]
    if findings:
        raise invalid(findings)
    return SchemaTree(roots)


Inherited = Mapping[int, PrivacyEntry]
"""Index of a file → its entry that holds for all below."""


class _Classifying:
    def __init__(self, set_id: str, files: tuple[PrivacyFile, ...]) -> None:
        self.files = files
        self._guessed = [set_id not in file.sets for file in files]
        self._by_name: list[dict[str, list[PrivacyEntry]]] = [{} for _ in files]
        self._used: set[int] = set()
        self._shared: dict[AttributeFacts, AttributeFacts] = {}
        for index, file in enumerate(files):
            for entry in file.entries:
                last = entry.steps[-1] if entry.steps else ""
                self._by_name[index].setdefault(last, []).append(entry)

    def node(self, node: SchemaNode, names: tuple[str, ...], above: Inherited) -> SchemaNode:
        own = {**above}
        for index in range(len(self.files)):
            if (entry := self._best(index, node, names, "")) is not None:
                own[index] = entry
        classed = None if node.value is None else self._class(node, node.value, own)
        attributes = {name: self._attribute(one, node, names) for name, one in node.attributes.items()}
        children = tuple(self.node(child, (*names, child.path.rpartition("/")[2]), own) for child in node.children)
        return replace(node, classed=classed, attributes=attributes, children=children)

    def _attribute(self, facts: AttributeFacts, node: SchemaNode, names: tuple[str, ...]) -> AttributeFacts:
        found = {index: self._best(index, node, names, facts.name) for index in range(len(self.files))}
        entries = {index: entry for index, entry in found.items() if entry is not None}
        made = replace(facts, classed=self._chosen(entries) or self._guess(f"@{facts.name}", facts.value))
        return self._shared.setdefault(made, made)

    def _class(self, node: SchemaNode, value: ValueFacts, entries: Inherited) -> Classed:
        return self._chosen(entries) or self._guess(node.name, value)

    def _chosen(self, entries: Inherited) -> Classed | None:
        for index in sorted(entries):
            classed = entries[index].classed
            return replace(classed, guessed=True) if self._guessed[index] else classed
        return None

    def _guess(self, name: str, value: ValueFacts) -> Classed:
        for file in self.files:
            for pattern, classed in file.names:
                if fnmatchcase(name, pattern):
                    return classed
        return _TEXT if _is_text(value) else _NO_TEXT

    def _best(self, index: int, node: SchemaNode, names: tuple[str, ...], attribute: str) -> PrivacyEntry | None:
        """Return the longest entry of a file that names this element, or this attribute of it."""
        known = self._by_name[index]
        candidates = [*known.get(node.name, ()), *known.get(names[-1], ()), *(known.get("", ()) if attribute else ())]
        found = [one for one in candidates if one.attribute == attribute and _names(one, node, names)]
        self._used.update(id(one) for one in found)
        return max(found, key=lambda one: (one.is_whole, len(one.steps)), default=None)

    def unknown(self, file: PrivacyFile, tree: SchemaTree) -> Iterator[Finding]:
        """Entries of a file that named nothing."""
        for entry in file.entries:
            if id(entry) not in self._used:
                problem = f"names {entry.text}, which the set does not have"
                near = get_close_matches(entry.text, _writings(entry, tree), n=1, cutoff=0.5)
                fix = f"Did you mean `{near[0]}`?" if near else "`gateway schema facts` lists all there are"
                yield Finding(file=file.file, line=entry.line, key="elements", problem=problem, fix=fix)


def _names(entry: PrivacyEntry, node: SchemaNode, names: tuple[str, ...]) -> bool:
    if entry.is_whole:
        return entry.steps == names
    if entry.wco_id is not None and entry.wco_id != node.wco_id:
        return False
    tail = names[len(names) - len(entry.steps) :]
    return len(entry.steps) <= len(names) and tuple(step.rpartition(":")[2] for step in tail) == entry.steps


def _is_text(value: ValueFacts) -> bool:
    if value.one_of or value.total_digits is not None or value.base in _TEXTLESS:
        return False
    return value.max_length is None or value.max_length > _LONGEST_NEUTRAL


def _writings(entry: PrivacyEntry, tree: SchemaTree) -> list[str]:
    """How the elements of a set, and their attributes, would be written in the way an entry is."""
    found: dict[str, set[str]] = {}
    for path, node in tree.nodes.items():
        tail = "/".join(path.split("/")[1:][-len(entry.steps) :])
        place = path if entry.is_whole else f"{node.wco_id or '-'} {tail}"
        found.setdefault(place if entry.steps else "", set()).update(node.attributes)
    if not entry.attribute:
        return list(found)
    known = entry.text.partition("@")[0]
    places = [known] if known in found else list(found)
    return [f"{place}@{name}" for place in places for name in sorted(found[place])]
