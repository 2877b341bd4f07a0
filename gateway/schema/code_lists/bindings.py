"""Which places of a schema set take their values from which code list, as data.

A binding names places by WCO id, by their last steps (`Response/FunctionCode`) or by an attribute (`currencyID`); what
it names together must all fit. One that names schema sets must fit a place in each of them; one that names none holds
wherever such a place is, so that it serves releases and customisations to come.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.ids import CodeListId, SchemaSetId
from gateway.errors import ConfigurationError, Finding
from gateway.schema.code_lists.lists import BINDINGS, LISTS, CodeList, entries_of, read_lists
from gateway.schema.facts.nodes import SchemaNode, SchemaTree

__all__ = ["Binding", "CodeCatalogue", "Place", "join_catalogues", "read_catalogue"]

Place = tuple[str, str]
"""(WCO path without indexes, attribute or "" for the element's own value)."""

_KEYS: Final = {"list", "wco_ids", "place", "attribute", "sets"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """These places take their values from this list. `place`: the last steps of a path; empty texts fit everything."""

    list: CodeListId
    wco_ids: frozenset[str] = frozenset()
    place: str = ""
    attribute: str = ""
    sets: frozenset[SchemaSetId] = frozenset()

    def places(self, tree: SchemaTree) -> tuple[Place, ...]:
        """Return the places of `tree` it names, in document order."""
        return tuple((path, self.attribute) for path, node in tree.nodes.items() if self._fits(path, node))

    def line(self) -> str:
        """Return what it says, as the hash of a pinned list counts it."""
        words = (",".join(sorted(self.wco_ids)), self.place, self.attribute, ",".join(sorted(self.sets)))
        return "\t".join(words)

    def _fits(self, path: str, node: SchemaNode) -> bool:
        return (
            node.is_leaf
            and (not self.wco_ids or node.wco_id in self.wco_ids)
            and (not self.attribute or self.attribute in node.attributes)
            and (not self.place or path.replace("/dec:", "/").endswith(f"/{self.place}"))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCatalogue:
    """The code lists there are, by id, and where they are used."""

    lists: Mapping[CodeListId, CodeList]
    bindings: tuple[Binding, ...]

    def pin(self, list_id: CodeListId) -> str:
        """Return the hash by which an agreement pins a list: its codes and the places they are asked for.

        SHA-256, hex, over the hash of the CSV file and then its bindings, one a line, sorted. Raises KeyError.
        """
        lines = sorted(binding.line() for binding in self.bindings if binding.list == list_id)
        return hashlib.sha256("\n".join([self.lists[list_id].sha256, *lines]).encode("utf-8")).hexdigest()


def read_catalogue(files: Mapping[str, bytes], folder: str = "") -> CodeCatalogue:
    """Return the lists and bindings in `files`. Raises ConfigurationError `codelist.broken`, as `read_lists` does."""
    lists = read_lists(files, folder)
    findings: list[Finding] = []
    bindings: list[Binding] = []
    if BINDINGS in files:
        for line, entry in entries_of(files, BINDINGS, "binding", folder, findings):
            problem = _problem(entry)
            if problem:
                fix = "See docs/code-lists.md for what a binding holds"
                file = f"{folder}/{BINDINGS}" if folder else BINDINGS
                findings.append(Finding(file=file, line=line, problem=problem, fix=fix))
            else:
                bindings.append(_binding(entry))
    if findings:
        raise ConfigurationError("codelist.broken", findings=tuple(findings))
    return CodeCatalogue(lists=lists, bindings=tuple(bindings))


def join_catalogues(catalogues: Iterable[CodeCatalogue]) -> CodeCatalogue:
    """Return one catalogue of all. Raises ConfigurationError `codelist.broken`.

    An id may stand in one of them only; every list that is extended or bound must be in one of them.
    """
    parts = tuple(catalogues)
    lists: dict[CodeListId, CodeList] = {}
    findings: list[Finding] = []
    for one in (one for part in parts for one in part.lists.values()):
        if one.id in lists:
            findings.append(_finding(LISTS, one.id, "is the id of two lists", "Give your own list another id"))
        lists[one.id] = one
    bindings = tuple(binding for part in parts for binding in part.bindings)
    for one in lists.values():
        if one.extends is not None and (one.extends not in lists or lists[one.extends].extends is not None):
            problem = f"extends {one.extends}, which is no list of its own"
            findings.append(_finding(LISTS, one.id, problem, "Name a list that extends no other"))
    for binding in bindings:
        if binding.list not in lists or lists[binding.list].extends is not None:
            problem = "is bound, and is no list of its own"
            findings.append(_finding(BINDINGS, binding.list, problem, "Bind a list that extends no other"))
    if findings:
        raise ConfigurationError("codelist.broken", findings=tuple(findings))
    return CodeCatalogue(lists=lists, bindings=bindings)


def _problem(entry: Mapping[str, Any]) -> str:
    """Return what is wrong with the form of a binding, or nothing."""
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        return f"{unknown[0]} is not known here"
    if not isinstance(entry.get("list"), str):
        return "a binding must name its list"
    if not all(isinstance(entry.get(key, ""), str) for key in ("place", "attribute")):
        return "place and attribute are texts"
    for key in ("wco_ids", "sets"):
        words = entry.get(key, [])
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            return f"{key} is a list of texts"
    if not any(entry.get(key) for key in ("wco_ids", "place", "attribute")):
        return "a binding must name a place, by wco_ids, place or attribute"
    return ""


def _binding(entry: Mapping[str, Any]) -> Binding:
    return Binding(
        list=CodeListId(entry["list"]),
        wco_ids=frozenset(entry.get("wco_ids", [])),
        place=entry.get("place", "").strip("/"),
        attribute=entry.get("attribute", ""),
        sets=frozenset(SchemaSetId(one) for one in entry.get("sets", [])),
    )


def _finding(file: str, key: str, problem: str, fix: str) -> Finding:
    return Finding(file=file, key=key, problem=problem, fix=fix)
