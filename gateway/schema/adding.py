"""Makes a schema set out of a folder of XSD files as an administration publishes it. Pure: files come as a mapping.

    choose the entry ► follow its references ► find the bodies of strict wildcards ► join what is imported apart
      ► keep what is reached, and what was written ► roots, kinds, release ► hash ► compile, to be sure

Nothing is guessed where two answers are possible: then the candidates are named (`schema.choice_needed`). The files
themselves are kept byte for byte.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from gateway.document import split_name
from gateway.domain.message import MessageKind
from gateway.errors import SchemaError
from gateway.schema.bodies import Folder, find_bodies, wildcard_namespaces
from gateway.schema.closure import XSD, Closure, reach
from gateway.schema.dialect import check_patterns
from gateway.schema.joining import components, declared_once, differing, entry_text, join_text, shadowed
from gateway.schema.sets import SchemaSet, assemble_set
from gateway.schema.validation import compile_set

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
    folder = Folder(files)
    entry = folder.named(wish.entry, "--entry") if wish.entry else folder.only_entry()
    bodies = [folder.named(one, "--body") for one in wish.bodies]
    bodies = find_bodies(folder, entry, bodies)
    # Paths begin where those of the reached files part, so that a set has one hash from wherever it was added.
    reached = reach(files, entry, *bodies).documents
    top = _common_folder(reached)
    files = {path.removeprefix(top): files[path] for path in reached}
    entry, bodies, folder = entry.removeprefix(top), [body.removeprefix(top) for body in bodies], Folder(files)
    written: dict[str, str] = {}
    notes: list[str] = []
    closure = reach(files, entry, *bodies)
    own = closure.namespaces[entry][0]
    first = _joins(closure, entry, folder, written, notes)
    also = [(closure.namespaces[body][0], body) for body in bodies]
    start = entry
    if first or also:
        start = folder.free_name("gateway-entry")
        written[start] = entry_text(own, first=first, entry=entry, also=also)
    whole = {**files, **{path: text.encode("utf-8") for path, text in written.items()}}
    for path, root in closure.documents.items():
        check_patterns(root, path)
    notes += _unanswered(closure)
    roots = _roots(closure, entry, bodies)
    made = assemble_set(
        whole,
        set_id=wish.set_id,
        release=wish.release or _release(closure, entry, bodies),
        title=wish.title or " and ".join(_locals(roots)[:_MOST_NAMED]),
        entry=start,
        kinds=wish.kinds or _kinds(roots),
        roots=roots,
        namespaces=closure.in_order(),
        valid_from=wish.valid_from,
        valid_until=wish.valid_until,
    )
    compile_set(made)
    return replace(made, generated=tuple(sorted(written)), notes=tuple(notes))


def _common_folder(paths: Iterable[str]) -> str:
    """The folder that all paths lie in, with the slash after it; empty for the top."""
    steps = zip(*(path.split("/")[:-1] for path in paths), strict=False)
    common = [names[0] for names in itertools.takewhile(lambda names: len(set(names)) == 1, steps)]
    return "".join(f"{name}/" for name in common)


def _joins(
    closure: Closure, entry: str, folder: Folder, written: dict[str, str], notes: list[str]
) -> list[tuple[str, str]]:
    """Return what the entry must bring in first, (namespace, path) each, so that nothing is lost with an import."""
    first: list[tuple[str, str]] = []
    for namespace in sorted({*closure.imports, *closure.namespaces[entry]}):
        taken, passed_over = shadowed(closure, entry, namespace)
        if not passed_over:
            continue
        paths = [taken, *passed_over]
        found = {path: components(closure, path, namespace) for path in paths}
        every = {key: said for path in reversed(paths) for key, said in found[path].items()}
        different = [word for path in passed_over for word in differing(found[taken], found[path])]
        if len(found[taken]) == len(every) and not different:
            continue
        fullest = next((path for path in paths if found[path] == every), None)
        if not different and fullest is not None and taken != entry:
            first.append((namespace, fullest))
        elif declared_once(closure, paths, namespace):
            first += _joined(namespace, paths, entry, folder, written)
        else:
            lost = [f"{kind} {name}" for kind, name in every if (kind, name) not in found[taken]]
            notes.append(_passed_over(namespace, taken, passed_over, [*different, *lost]))
    return first


def _joined(
    namespace: str, paths: Sequence[str], entry: str, folder: Folder, written: dict[str, str]
) -> list[tuple[str, str]]:
    if paths[0] == entry:  # The entry that is written includes it already; the others come beside it.
        return [(namespace, path) for path in paths[1:]]
    name = folder.free_name("gateway-joined", taken=written)
    written[name] = join_text(namespace, paths)
    return [(namespace, name)]


def _passed_over(namespace: str, taken: str, passed_over: Sequence[str], different: Sequence[str]) -> str:
    named = ", ".join(different[:_MOST_NAMED]) + (" and more" if len(different) > _MOST_NAMED else "")
    return (
        f"{namespace or 'No namespace'} is imported from several files that can not all count ({named}): "
        f"{taken} is taken, as every XSD processor takes the first, and {', '.join(passed_over)} is passed over"
    )


def _unanswered(closure: Closure) -> list[str]:
    """Notes on wildcards that nothing in the set can fill."""
    declared = {namespace for namespace, _ in _elements(closure)}
    return [
        f"A wildcard takes elements of {namespace}, and no file declares any: nothing can stand there"
        for namespace in wildcard_namespaces(closure)
        if namespace not in declared
    ]


def _elements(closure: Closure) -> list[tuple[str, str]]:
    """(namespace, local name) of every global element a document can hold, in the order of reaching."""
    found = dict[tuple[str, str], None]()
    for path, root in closure.documents.items():
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


def _kinds(roots: Iterable[str]) -> tuple[str, ...]:
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
