"""Checks the values of a document against code lists. Pure: the day comes in, and no value goes out.

Every message passes here, so the common case is one walk in C over the elements whose names are bound, and one set
membership each (`iter` with names was measured at a tenth of one XPath union over the same names). A name that is bound
below some parents and free elsewhere is looked for below these: `ID` and `TypeCode` stand everywhere. Only where one
value fails are all looked at again, and those that fail by their paths.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from lxml import etree

from gateway.document import indexed_path, wco_path
from gateway.domain.ids import CodeListId, SchemaSetId
from gateway.domain.profile import Severity
from gateway.errors import ConfigurationError, Finding, Violation
from gateway.schema.code_lists.bindings import CodeCatalogue, Place
from gateway.schema.code_lists.lists import BINDINGS, CodeList
from gateway.schema.facts.nodes import SchemaTree
from gateway.schema.telling.texts import ENGLISH
from gateway.schema.telling.words import MAX_VIOLATIONS

__all__ = ["CompiledCodeLists", "compile_code_lists", "list_findings"]

_BLANKS: Final = " \t\r\n"
_SAID: Final = {
    "expired": ("code_list.expired", "code_list.expired_attribute"),
    "unknown": ("code_list.unknown", "code_list.unknown_attribute"),
}
"""What is said of an element, and of an attribute."""
_Check = tuple[str, frozenset[str] | None, frozenset[str | None]]
"""(attribute or "", names of the parents under which it is bound or None for all, values that need no second look)."""
_Look = tuple[str, str, frozenset[str | None]]
"""(name of the children or "" for the element itself, attribute or "", values that need no second look)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """One name, or one attribute of it: the lists of its places, and the parents that tell bound places from free."""

    attribute: str
    lists: frozenset[CodeListId]
    parents: frozenset[str] | None


class CompiledCodeLists:
    """The code lists of one flow, ready to check documents of one schema set. `places`: what is bound to which list."""

    __slots__ = ("_bound", "_checks", "_day", "_lists", "_looks", "_tree", "places")

    def __init__(
        self, places: Mapping[Place, CodeListId], lists: Mapping[CodeListId, tuple[CodeList, ...]], tree: SchemaTree
    ) -> None:
        self.places: Final = places
        self._lists: Final = lists
        self._tree: Final = tree
        self._bound: Final = _bound(places, tree)
        self._day: date | None = None
        self._checks: dict[str, tuple[_Check, ...]] = {}
        self._looks: dict[str, tuple[_Look, ...]] = {}

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("CompiledCodeLists stay in the process that compiled them; hand over the catalogue")

    def violations(self, root: etree._Element, on: date) -> tuple[Violation, ...]:
        """Return which values below `root` are in none of their lists, or not valid on this day; bounded.

        Codes `codelist.unknown_code` and `codelist.expired_code`, rule `code_list:` and the list's id. An empty value
        is no code. Two threads must not share one: the checks of a day are kept.
        """
        if on != self._day:
            self._checks, self._day = self._checks_of(on), on
            self._looks = _looks(self._checks)
        if not self._looks or not self._has_suspects(root):
            return ()
        checks = self._checks
        suspects: list[tuple[etree._Element, str, str]] = []
        for element in root.iter(*checks):
            for attribute, parents, codes in checks[str(element.tag)]:
                value = element.get(attribute) if attribute else element.text
                if value not in codes and (parents is None or _parent(element) in parents):
                    suspects.append((element, attribute, value or ""))
        return self._judged(suspects, on)

    def _has_suspects(self, root: etree._Element) -> bool:
        """Tell whether any value needs a second look."""
        looks: Mapping[Any, tuple[_Look, ...]] = self._looks
        for element in root.iter(*looks):
            for below, attribute, codes in looks[element.tag]:
                if not below:
                    if (element.get(attribute) if attribute else element.text) not in codes:
                        return True
                    continue
                for child in element.iterchildren(below):
                    if (child.get(attribute) if attribute else child.text) not in codes:
                        return True
        return False

    def checked(self, root: etree._Element) -> dict[CodeListId, list[str]]:
        """Return every value that is compared, by list, in document order: for counting over many documents."""
        found: dict[CodeListId, list[str]] = {}
        for element in root.iter(*self._bound):
            for bound in self._bound[str(element.tag)]:
                value = element.get(bound.attribute) if bound.attribute else element.text
                list_id = self.places.get((wco_path(element), bound.attribute))
                if list_id is not None and value is not None and value.strip(_BLANKS):
                    found.setdefault(list_id, []).append(value.strip(_BLANKS))
        return found

    def _checks_of(self, on: date) -> dict[str, tuple[_Check, ...]]:
        """Return by name what needs no second look on this day: for several lists, what is in all of them."""
        valid = {
            list_id: frozenset[str]().union(*(one.valid(on) for one in lists)) for list_id, lists in self._lists.items()
        }
        return {
            name: tuple(
                (one.attribute, one.parents, frozenset.intersection(*(valid[each] for each in one.lists)) | {"", None})
                for one in bound
            )
            for name, bound in self._bound.items()
        }

    def _judged(self, suspects: Iterable[tuple[etree._Element, str, str]], on: date) -> tuple[Violation, ...]:
        found: list[Violation] = []
        for element, attribute, value in suspects:
            path = wco_path(element)
            list_id = self.places.get((path, attribute))
            code = value.strip(_BLANKS)
            if list_id is None or not code:
                continue
            known = [one.codes[code] for one in self._lists[list_id] if code in one.codes]
            if any(one.is_valid(on) for one in known):
                continue
            found.append(self._violation(element, path, attribute, list_id, expired=bool(known)))
            if len(found) == MAX_VIOLATIONS:
                break
        return tuple(found)

    def _violation(
        self, element: etree._Element, path: str, attribute: str, list_id: CodeListId, *, expired: bool
    ) -> Violation:
        node = self._tree.nodes[path]
        wco_id, wco_name = self._tree.names_of(node)
        place = indexed_path(element, self._tree.names.__contains__)
        main, *others = self._lists[list_id]
        said = _SAID["expired" if expired else "unknown"][1 if attribute else 0]
        extended = "".join(ENGLISH("code_list.extended", list=one.id) for one in others)
        return Violation(
            code="codelist.expired_code" if expired else "codelist.unknown_code",
            rule=f"code_list:{list_id}",
            path=f"{place}/@{attribute}" if attribute else place,
            line=element.sourceline,
            wco_id=wco_id,
            wco_name=wco_name,
            message=ENGLISH(said, name=node.name, attribute=attribute, title=main.title),
            expected=ENGLISH("code_list.expected", list=list_id, others=extended),
            fix=ENGLISH("code_list.show", list=list_id),
        )


def compile_code_lists(
    catalogue: CodeCatalogue, tree: SchemaTree, set_id: SchemaSetId, chosen: Iterable[CodeListId] | None = None
) -> CompiledCodeLists:
    """Return the lists that apply to documents of a set: those chosen, or None for all there are.

    A list that extends another counts only where that one is chosen too. Raises ConfigurationError `codelist.broken`
    when a binding names a place that the set does not have, or two lists the same place.
    """
    wanted = frozenset(catalogue.lists if chosen is None else chosen)
    places: dict[Place, CodeListId] = {}
    findings: list[Finding] = []
    for binding in catalogue.bindings:
        if binding.sets and set_id not in binding.sets:
            continue
        named = binding.places(tree)
        if binding.sets and not named:
            findings.append(_finding(binding.list, f"names a place that {set_id} does not have"))
        findings += [
            _finding(binding.list, f"names {place[0]}, where {places[place]} is bound")
            for place in named
            if places.setdefault(place, binding.list) != binding.list
        ]
    if findings:
        raise ConfigurationError("codelist.broken", findings=tuple(findings))
    kept = {place: list_id for place, list_id in places.items() if list_id in wanted}
    lists = {list_id: _with_extensions(catalogue, list_id, wanted) for list_id in set(kept.values())}
    return CompiledCodeLists(kept, lists, tree)


def list_findings(
    catalogue: CodeCatalogue,
    chosen: Mapping[CodeListId, Severity],
    *,
    file: str,
    line: int | None = None,
    key: str = "code_lists",
    tree: SchemaTree | None = None,
) -> tuple[Finding, ...]:
    """Return what is wrong with the lists that a flow of an agreement chooses, for the place in its file.

    A list that does not hold every code of its edition may only warn: it can not tell a wrong code from one it lacks.
    A list that extends another needs that one beside it, under the same severity. One that no place of the schema set
    takes its values from would promise a check that never happens. `tree` None: the set is not known, so not asked.
    """
    problems = ((list_id, _problem(catalogue, chosen, list_id, tree)) for list_id in chosen)
    return tuple(
        Finding(file=file, line=line, key=f"{key}.{list_id}", problem=problem[0], fix=problem[1])
        for list_id, problem in problems
        if problem is not None
    )


def _problem(
    catalogue: CodeCatalogue, chosen: Mapping[CodeListId, Severity], list_id: CodeListId, tree: SchemaTree | None
) -> tuple[str, str] | None:
    """Return what is wrong with one chosen list, and the mend."""
    known = catalogue.lists.get(list_id)
    if known is None:
        return "is no code list", f"There are {', '.join(sorted(catalogue.lists))}"
    if known.extends is not None:
        fits = chosen.get(known.extends) == chosen[list_id]
        return None if fits else (f"extends {known.extends}", f"Name {known.extends} too, under the same severity")
    if not known.complete and chosen[list_id] is not Severity.WARN:
        return "is a selection of codes, and such a list may only warn", "Write warn"
    if tree is not None and not any(one.places(tree) for one in catalogue.bindings if one.list == list_id):
        return "is bound to no place of this schema set", "Take it out, or bind it (docs/code-lists.md)"
    return None


def _with_extensions(
    catalogue: CodeCatalogue, list_id: CodeListId, wanted: frozenset[CodeListId]
) -> tuple[CodeList, ...]:
    more = (one for one in catalogue.lists.values() if one.extends == list_id and one.id in wanted)
    return (catalogue.lists[list_id], *sorted(more, key=lambda one: one.id))


def _bound(places: Mapping[Place, CodeListId], tree: SchemaTree) -> dict[str, tuple[_Bound, ...]]:
    """Return by qualified name what is bound in elements of that name."""
    lists: dict[tuple[str, str], set[CodeListId]] = {}
    parents: dict[tuple[str, str], set[str]] = {}
    for (path, attribute), list_id in places.items():
        key = (tree.nodes[path].qualified, attribute)
        lists.setdefault(key, set()).add(list_id)
        parents.setdefault(key, set()).add(_parent_name(path, tree))
    free = _free(places, tree)
    found: dict[str, tuple[_Bound, ...]] = {}
    for (name, attribute), ids in sorted(lists.items()):
        above = frozenset(parents[name, attribute]) if (name, attribute) in free else None
        found[name] = (*found.get(name, ()), _Bound(attribute=attribute, lists=frozenset(ids), parents=above))
    return found


def _free(places: Mapping[Place, CodeListId], tree: SchemaTree) -> set[tuple[str, str]]:
    """Return which names, or attributes of them, also stand in places that are bound to nothing."""
    return {
        (node.qualified, attribute)
        for path, node in tree.nodes.items()
        for attribute in ("", *node.attributes)
        if (path, attribute) not in places and (attribute or node.is_leaf)
    }


def _looks(checks: Mapping[str, tuple[_Check, ...]]) -> dict[str, tuple[_Look, ...]]:
    """Return what is looked at by the name of the element, or of its parent where that tells bound places from free."""
    found: dict[str, tuple[_Look, ...]] = {}
    for name, those in checks.items():
        for attribute, parents, codes in those:
            if parents is None or "" in parents:
                found[name] = (*found.get(name, ()), ("", attribute, codes))
            for parent in (parents or frozenset()) - {""}:
                found[parent] = (*found.get(parent, ()), (name, attribute, codes))
    return found


def _parent_name(path: str, tree: SchemaTree) -> str:
    parent = tree.node(path.rpartition("/")[0])
    return "" if parent is None else parent.qualified


def _parent(element: etree._Element) -> str:
    parent = element.getparent()
    return "" if parent is None else str(parent.tag)


def _finding(list_id: CodeListId, problem: str) -> Finding:
    return Finding(file=BINDINGS, key=list_id, problem=problem, fix="Mend the binding, or take it away")
