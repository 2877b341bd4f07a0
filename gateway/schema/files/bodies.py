"""Finds, among the files of a folder, the entry and the bodies that a strict wildcard asks for.

`MetaData` takes its body by a strict wildcard that names a namespace, and imports nothing of it. What the entry reaches
anyway answers first; then the files of the folder that declare an element of that namespace. One is taken; of several
a person must choose, because they are different schemas under one name.
"""

import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from lxml import etree

from gateway.document import locate, parse_schema
from gateway.errors import SchemaError
from gateway.schema.files.closure import XSD, Closure, reach

_PARTS: Final = (f"{XSD}include", f"{XSD}redefine")
_MOST_LISTED: Final = 20
_ENDING: Final = ".xsd"


class Folder:
    """The files one may choose from. Files that are no schema are passed over here; references to them are not."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self._roots: dict[str, etree._Element | None] = {}
        self._unread: dict[str, SchemaError] = {}
        self._included: dict[str, list[str]] = {}
        self._by_namespace: dict[str, list[str]] | None = None

    def named(self, name: str, option: str) -> str:
        """Return the path that a person means by `name`. Raises SchemaError `schema.choice_needed` with the nearest."""
        path = posixpath.normpath(name.replace("\\", "/"))
        if path in self.files:
            return path
        near = [one for one in self.schemas() if one.endswith(f"/{path}")] or list(self.schemas())
        _choose(f"There is no file {path}; {option} takes a path within the folder", near)
        raise AssertionError  # _choose raises; mypy knows

    def schemas(self) -> Iterator[str]:
        """Yield the paths of all schema files, sorted."""
        yield from (path for path in sorted(self.files) if self.root(path) is not None)

    def root(self, path: str) -> etree._Element | None:
        """Return the schema element of a file; None for what is no schema that can be read."""
        if path not in self._roots:
            self._roots[path] = None
            try:
                root = parse_schema(self.files, path).getroot()
            except SchemaError as error:
                self._unread[path] = error
                return None
            self._roots[path] = root if root.tag == f"{XSD}schema" else None
        return self._roots[path]

    def check_readable(self) -> None:
        """Raise SchemaError `schema.set_broken` for the first schema file that can not be read: it could be a body."""
        for path in sorted(self.files):
            if path.lower().endswith(_ENDING) and self.root(path) is None and path in self._unread:
                said = self._unread[path].detail
                told = said if path in said else f"{path}: {said}"
                problem = f"{told}; it could be a body: put it right, or name the bodies with --body"
                raise SchemaError("schema.set_broken", problem, facts={"file": path})

    def only_entry(self) -> str:
        """Return the one schema that no other refers to. Raises SchemaError `schema.choice_needed` if not one."""
        referred = {target for path in self.schemas() for target in self._targets(path)}
        starts = [path for path in self.schemas() if path not in referred]
        if len(starts) == 1:
            return starts[0]
        if not starts and len(found := list(self.schemas())) == 1:
            return found[0]
        unread = [path for path in sorted(self.files) if path.lower().endswith(_ENDING)]
        if unread and not starts and not list(self.schemas()):
            parse_schema(self.files, unread[0])  # says what is wrong with it
        what = "Several files could be the entry" if starts else "No schema file stands apart from the others"
        _choose(f"{what}; name one with --entry", starts or list(self.schemas()))
        raise AssertionError

    def declaring(self, namespace: str) -> list[str]:
        """Return the files that declare an element of `namespace`, without those that another of them includes."""
        found = self._declaring().get(namespace, [])
        parts = self._included_by_others(found)
        return [path for path in found if path not in parts] or found

    def not_referred(self, paths: Sequence[str]) -> list[str]:
        """Return those of `paths` that none of the others refers to; all of them when each is referred to."""
        referred = {target for path in paths for target in self._targets(path)}
        return [path for path in paths if path not in referred] or list(paths)

    def shares(self, path: str, other: str) -> bool:
        """Tell whether both files declare an element of one name."""
        return not self._names(path).isdisjoint(self._names(other))

    def free_name(self, stem: str, taken: Collection[str] = ()) -> str:
        """Return a path for a file to be written, which nothing else has."""
        names = (f"{stem}{'' if number == 1 else f'-{number}'}.xsd" for number in range(1, 10_000))
        return next(name for name in names if name not in self.files and name not in taken)

    def _declaring(self) -> dict[str, list[str]]:
        """By namespace the files that declare an element, or include one that does, directly or not; sorted.

        A file without a namespace that is included into one is left out: its elements are of that namespace.
        """
        if self._by_namespace is None:
            self._by_namespace = {}
            every = _reached(self.schemas(), self._parts)
            including: dict[str, list[str]] = {}
            for path in every:
                for part in self._parts(path):
                    including.setdefault(part, []).append(path)
            holding = _reached((path for path in every if self._has_element(path)), lambda one: including.get(one, ()))
            taken = _reached(
                (part for path in every if self._namespace(path) for part in self._parts(path)), self._parts
            )
            for path in self.schemas():
                namespace = self._namespace(path)
                if path in holding and (namespace or path not in taken):
                    self._by_namespace.setdefault(namespace, []).append(path)
        return self._by_namespace

    def _included_by_others(self, paths: Sequence[str]) -> set[str]:
        """What one of `paths` includes, directly or not, apart from itself.

        Two of `paths` that reach a file are enough to know that another than the file itself does: so each file is
        walked through twice at most, however long the chains are.
        """
        sources: dict[str, set[str]] = {}
        waiting = [(part, path) for path in paths for part in self._parts(path)]
        while waiting:
            path, source = waiting.pop()
            known = sources.setdefault(path, set())
            if source not in known and len(known) < 2:
                known.add(source)
                waiting += [(part, source) for part in self._parts(path)]
        return {path for path, known in sources.items() if known != {path}}

    def _namespace(self, path: str) -> str:
        root = self.root(path)
        return "" if root is None else root.get("targetNamespace", "")

    def _has_element(self, path: str) -> bool:
        root = self.root(path)
        return root is not None and next(root.iterchildren(f"{XSD}element"), None) is not None

    def _names(self, path: str) -> set[str]:
        root = self.root(path)
        return {one.get("name", "") for one in root.iterchildren(f"{XSD}element")} if root is not None else set()

    def _parts(self, path: str) -> list[str]:
        """What a file includes itself."""
        if path not in self._included:
            self._included[path] = list(self._targets(path, _PARTS))
        return self._included[path]

    def _targets(self, path: str, kinds: Sequence[str] = (*_PARTS, f"{XSD}import")) -> Iterator[str]:
        root = self.root(path)
        for element in root.iterchildren(*kinds) if root is not None else ():
            try:
                target = locate(element.get("schemaLocation", ""), of=path)
            except SchemaError:
                continue
            if target != path:
                yield target


def _reached(starts: Iterable[str], follow: Callable[[str], Iterable[str]]) -> set[str]:
    """`starts` and all that `follow` leads to from them."""
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            waiting += follow(one)
    return found


def find_bodies(folder: Folder, entry: str, bodies: Sequence[str]) -> list[str]:
    """Return `bodies` and what else must be imported beside `entry` so that its wildcards can be filled.

    Raises SchemaError: `schema.choice_needed` when several files could be the body, `schema.set_broken` when `bodies`
    names none and a file that could be one can not be read.
    """
    found = [body for body in bodies if body != entry]
    while True:
        closure = reach(folder.files, entry, *found)
        choices = {name: _candidates(folder, closure, entry, name) for name in _missing(closure, entry)}
        if choices and not bodies:
            folder.check_readable()
        single = [paths[0] for paths in choices.values() if len(paths) == 1]
        if not single:
            break
        found.append(single[0])
    for namespace, paths in choices.items():
        if len(paths) > 1 and namespace not in closure.open_imports:
            of = namespace or "no namespace"
            _choose(f"Several files declare what a wildcard takes of {of}; name one with --body", paths)
    return found


def strict_wildcards(closure: Closure) -> Iterator[tuple[str, list[str]]]:
    """Yield of each strict wildcard the namespace of its file, and what it takes: namespaces, `##any` or `##other`.

    `##local` is no namespace, and `##targetNamespace` that of the file, as XSD 1.0 part 1, 3.10.2 says.
    """
    for path, root in closure.documents.items():
        wildcards = [one for one in root.iter(f"{XSD}any") if one.get("processContents", "strict") == "strict"]
        for own in closure.namespaces[path] if wildcards else ():
            meaning = {"##local": "", "##targetNamespace": own}
            for wildcard in wildcards:
                yield own, [meaning.get(name, name) for name in wildcard.get("namespace", "##any").split()]


def wildcard_namespaces(closure: Closure) -> list[str]:
    """Return the namespaces that strict wildcards of the closure name, empty for none, in the order of reaching."""
    named = (name for _, names in strict_wildcards(closure) for name in names)
    return list(dict.fromkeys(name for name in named if name not in _OPEN))


def _missing(closure: Closure, entry: str) -> list[str]:
    """Namespaces that are asked for, and of which nothing that is reached declares an element."""
    own = closure.namespaces[entry][0]
    declared = {
        namespace
        for path, root in closure.documents.items()
        if next(root.iterchildren(f"{XSD}element"), None) is not None
        for namespace in closure.namespaces[path]
    }
    present = {namespace for found in closure.namespaces.values() for namespace in found}
    open_imports = [name for name in closure.open_imports if name not in present]
    asked = [name for name in wildcard_namespaces(closure) if name not in declared]
    around = _taken_by_envelope(closure, own)
    if own in around and own in declared:
        asked.append(own)
    if around & _OPEN and declared <= {own}:
        asked.append(_ANY)
    return list(dict.fromkeys([*asked, *open_imports]))


_ANY: Final = "any namespace"
_OPEN: Final = frozenset({"##any", "##other"})


def _taken_by_envelope(closure: Closure, own: str) -> set[str]:
    """What the strict wildcards take if the entry is an envelope: one element only. Nothing if it is none."""
    roots = [root for path, root in closure.documents.items() if own in closure.namespaces[path]]
    if sum(1 for root in roots for _ in root.iterchildren(f"{XSD}element")) != 1:
        return set()
    return {name for space, names in strict_wildcards(closure) if space == own for name in names}


def _candidates(folder: Folder, closure: Closure, entry: str, namespace: str) -> list[str]:
    own = closure.namespaces[entry][0]
    if namespace == _ANY:
        spaces = {one.get("targetNamespace", "") for path in folder.schemas() if (one := folder.root(path)) is not None}
        found = [path for space in sorted(spaces - {own}) for path in folder.declaring(space)]
        found = folder.not_referred(found)
    else:
        found = folder.declaring(namespace)
    if namespace == own:  # what is there already, and other envelopes of that name, are no body
        found = [path for path in found if path not in closure.documents and not folder.shares(path, entry)]
    return _without_copies(folder.files, entry, found)


def _without_copies(files: Mapping[str, bytes], entry: str, paths: Sequence[str]) -> list[str]:
    """Of files with the same bytes the one beside the entry, or else the first."""
    beside = posixpath.dirname(entry)
    kept: dict[bytes, str] = {}
    for path in sorted(paths, key=lambda one: (posixpath.dirname(one) != beside, one)):
        kept.setdefault(files[path], path)
    return sorted(kept.values())


def _choose(problem: str, candidates: Sequence[str]) -> None:
    listed = list(candidates[:_MOST_LISTED])
    more = f" and {len(candidates) - len(listed)} more" if len(candidates) > len(listed) else ""
    there = f": {', '.join(listed)}{more}" if listed else "; there is no schema file at all"
    raise SchemaError("schema.choice_needed", f"{problem}{there}", facts={"candidates": listed})
