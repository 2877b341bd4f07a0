"""Makes a schema set out of a folder of XSD files as an administration publishes it. Pure: files come as a mapping.

    choose the entry ► follow its references ► find the bodies of strict wildcards ► join what is imported apart
      ► keep what is reached, and what was written ► roots, kinds, release ► hash ► compile, to be sure

Nothing is guessed where two answers are possible: then the candidates are named (`schema.choice_needed`). The files
themselves are kept byte for byte.
"""

import contextlib
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from gateway.document import split_name
from gateway.domain.message import MessageKind
from gateway.errors import SchemaError
from gateway.schema.files.bodies import Folder, find_bodies, strict_wildcards, wildcard_namespaces
from gateway.schema.files.closure import XSD, Closure, reach
from gateway.schema.files.derivations import check_derivations
from gateway.schema.files.dialect import check_patterns
from gateway.schema.files.joining import Joins, plan_joins, write_entry
from gateway.schema.introspection.tree import read_tree
from gateway.schema.sets import SchemaSet, assemble_set, check_id
from gateway.schema.validation import CompiledSet, compile_set

_DECLARATIONS: Final = (MessageKind.DECLARATION, MessageKind.AMENDMENT, MessageKind.ARRIVAL)
_NOT_STATED: Final = "not stated"
_MOST_NAMED: Final = 5
_LONGEST_TEXT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person says about the set to be made; what is empty is derived.

    It may be sent under from `valid_from` up to, not including, `valid_until`.
    """

    set_id: str
    entry: str = ""
    bodies: tuple[str, ...] = ()
    release: str = ""
    title: str = ""
    kinds: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_until: date | None = None


def make_set(files: Mapping[str, bytes], wish: Wish) -> SchemaSet:
    """Return the set that `wish` asks for, out of `files` (path → bytes), proven to compile.

    Raises SchemaError: `schema.choice_needed` with the candidates, `schema.dialect_refused`, `schema.set_broken`.
    """
    if not all(text.isprintable() and len(text) <= _LONGEST_TEXT for text in (wish.release, wish.title)):
        problem = f"release and title are one line each, of at most {_LONGEST_TEXT} characters"
        raise SchemaError("schema.set_broken", problem)
    check_id(wish.set_id)
    folder = Folder(files)
    entry = folder.named(wish.entry, "--entry") if wish.entry else folder.only_entry()
    bodies = [folder.named(one, "--body") for one in wish.bodies]
    bodies = find_bodies(folder, entry, bodies)
    # Paths begin where those of the reached files part, so that a set has one hash from wherever it was added.
    reached = reach(files, entry, *bodies).documents
    top = _common_folder(reached)
    files = {path.removeprefix(top): files[path] for path in reached}
    entry, bodies, folder = entry.removeprefix(top), [body.removeprefix(top) for body in bodies], Folder(files)
    closure = reach(files, entry, *bodies)
    for path, root in closure.documents.items():
        check_patterns(root, path)
    check_derivations(closure.documents.values())
    roots = _roots(closure, entry, bodies)

    def put_together(joins: Joins) -> CompiledSet:
        start, written = write_entry(folder, closure, entry, bodies, joins)
        whole = assemble_set(
            {**files, **written},
            set_id=wish.set_id,
            release=wish.release or _release(closure, entry, bodies),
            title=wish.title or _title(roots),
            entry=start,
            kinds=wish.kinds or _kinds(roots),
            roots=roots,
            namespaces=closure.in_order(),
            valid_from=wish.valid_from,
            valid_until=wish.valid_until,
        )
        return compile_set(replace(whole, generated=tuple(sorted(written))))

    compiled, notes = _nothing_lost(closure, entry, put_together)
    made = _startable(compiled, wish)
    return replace(made, notes=(*notes, *_unanswered(closure), *_unlisted(made)))


def _unlisted(made: SchemaSet) -> list[str]:
    """A note on a set that can not be listed: it gives verdicts, but less can be said of why."""
    try:
        read_tree(made)
    except SchemaError as error:
        return [
            f"Its places can not be listed: {error.detail}. Refusals are explained less, and no rule can name a place"
        ]
    return []


def _startable(compiled: CompiledSet, wish: Wish) -> SchemaSet:
    """Return the set without the roots that only a file declares which does not count: no document can start there."""
    whole = compiled.schema_set
    roots = [root for root in whole.roots if compiled.declares(root)]
    if not roots:
        problem = f"libxml2 knows no element of {whole.entry} that a document could start with; name another --entry"
        raise SchemaError("schema.set_broken", problem)
    if len(roots) == len(whole.roots):
        return whole
    kinds = whole.kinds if wish.kinds else _kinds(roots)
    return replace(whole, roots=tuple(roots), kinds=kinds, title=wish.title or _title(roots))


def _nothing_lost(
    closure: Closure, entry: str, put_together: Callable[[Joins], CompiledSet]
) -> tuple[CompiledSet, list[str]]:
    """Return the set with the joins it needs, and notes on what does not count all the same.

    Asked of libxml2 itself, element by element: it also drops a file that was included elsewhere before it is imported.
    """
    plan = plan_joins(closure, entry)
    joins, notes = plan.joins, list(plan.notes)
    try:
        compiled = put_together(joins)
    except SchemaError:
        if not joins:
            raise
        joins = {}
        compiled = put_together(joins)  # the files can not stand together, but each import alone can
    lost = _lost(compiled, closure, plan.passed_over)
    more = {namespace: [closure.imports[namespace][0]] for namespace in lost if namespace in closure.imports}
    if more := {namespace: paths for namespace, paths in more.items() if namespace not in joins}:
        with contextlib.suppress(SchemaError):  # then the notes below say what is lost
            compiled = put_together({**more, **joins})
        lost = _lost(compiled, closure, plan.passed_over)
    for namespace, names in lost.items():
        told = ", ".join(names[:_MOST_NAMED]) + (" and more" if len(names) > _MOST_NAMED else "")
        notes.append(f"Elements of {namespace or 'no namespace'} do not count, for their file is reached twice: {told}")
    return compiled, notes


def _lost(compiled: CompiledSet, closure: Closure, passed_over: Collection[str]) -> dict[str, list[str]]:
    """By namespace the global elements that files declare and the compiled set does not know."""
    lost: dict[str, list[str]] = {}
    for namespace, local in _elements(closure, passed_over):
        if not compiled.declares(f"{{{namespace}}}{local}" if namespace else local):
            lost.setdefault(namespace, []).append(local)
    return lost


def _common_folder(paths: Iterable[str]) -> str:
    """The folder that all paths lie in, with the slash after it; empty for the top."""
    steps = zip(*(path.split("/")[:-1] for path in paths), strict=False)
    common = [names[0] for names in itertools.takewhile(lambda names: len(set(names)) == 1, steps)]
    return "".join(f"{name}/" for name in common)


def _unanswered(closure: Closure) -> list[str]:
    """Notes on wildcards that nothing in the set can fill."""
    elements = _elements(closure)
    declared = {namespace for namespace, _ in elements}
    empty = [name or "no namespace" for name in wildcard_namespaces(closure) if name not in declared]
    if any("##other" in names and declared <= {own, ""} for own, names in strict_wildcards(closure)):
        empty.append("another namespace")
    notes = [
        f"A wildcard takes elements of {name}, and no file declares any: nothing can stand there" for name in empty
    ]
    if len(elements) == 1 and any("##any" in names or own in names for own, names in strict_wildcards(closure)):
        notes.append(f"A wildcard takes an element, and no file declares any but {elements[0][1]} around it")
    return notes


def _elements(closure: Closure, without: Collection[str] = ()) -> list[tuple[str, str]]:
    """(namespace, local name) of every global element a document can hold, in the order of reaching."""
    found = dict[tuple[str, str], None]()
    for path, root in closure.documents.items():
        if path in without:
            continue
        for child in root.iterchildren(f"{XSD}element"):
            if child.get("name") and child.get("abstract") not in ("true", "1"):
                found |= {(namespace, child.get("name", "")): None for namespace in closure.namespaces[path]}
    return list(found)


def _roots(closure: Closure, entry: str, bodies: Iterable[str]) -> list[str]:
    """The global elements of the entry's namespace, and of the bodies' that its wildcards ask for.

    An entry that declares none itself only brings others together: then those it imports directly count as its own.
    """
    own = closure.namespaces[entry][0]
    wanted = {own, *(closure.namespaces[body][0] for body in bodies), *wildcard_namespaces(closure)}
    found = [one for one in _elements(closure) if one[0] in wanted]
    if not any(namespace == own for namespace, _ in found):
        direct = closure.documents[entry].iterchildren(f"{XSD}import")
        wanted |= {child.get("namespace", "") for child in direct}
        found = [one for one in _elements(closure) if one[0] in wanted]
    if not found:
        raise SchemaError(
            "schema.set_broken", f"{entry} brings in no element that a document could start with; name another --entry"
        )
    return [f"{{{namespace}}}{local}" if namespace else local for namespace, local in found]


def _locals(roots: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(split_name(root)[1] for root in roots))


def _title(roots: Iterable[str]) -> str:
    return " and ".join(_locals(roots)[:_MOST_NAMED])


def _kinds(roots: Iterable[str]) -> tuple[MessageKind, ...]:
    """The message kinds that a set with these roots is likely for. A set with a Response is for responses."""
    names = _locals(roots)
    if "Response" in names:
        return (MessageKind.RESPONSE,)
    return _DECLARATIONS if "Declaration" in names else ()


def _release(closure: Closure, entry: str, bodies: Sequence[str]) -> str:
    """The `version` that the bodies give, or else the entry, or else any file."""
    for path in (*bodies, entry, *closure.documents):
        version = closure.documents[path].get("version", "").strip()
        if version and version.isprintable() and len(version) <= _LONGEST_TEXT:
            return version
    return _NOT_STATED
