"""Follows the references between the files of a schema set, the way libxml2 does: depth first, in document order.

Everything that an entry reaches must be there, inside the set, and be of the namespace that the reference names.
libxml2 is lenient where a verdict would change without a word: it skips an import that is missing, and takes a file of
another namespace than its import names. Here both refuse the set (XSD 1.0 part 1, 4.2.1 and 4.2.3).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from gateway.document import locate, parse_schema
from gateway.errors import SchemaError
from gateway.schema.files.dialect import check_dialect

XSD: Final = "{http://www.w3.org/2001/XMLSchema}"
_BASE: Final = "{http://www.w3.org/XML/1998/namespace}base"
_REFERENCES: Final = tuple(f"{XSD}{name}" for name in ("include", "redefine", "import"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One include, redefine or import. `namespace`: of what it brings in, empty for none. `target`: None: no path."""

    file: str
    line: int
    is_import: bool
    namespace: str
    target: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """All that an entry reaches. `documents`: the schema element of each file by path, in the order of reaching.

    `namespaces`: of each file, those its declarations belong to; more than one when a file without a namespace is
    included from several. `imports`: by namespace the files that imports name, the one that libxml2 loads first.
    """

    documents: dict[str, etree._Element] = field(default_factory=dict)
    namespaces: dict[str, list[str]] = field(default_factory=dict)
    imports: dict[str, list[str]] = field(default_factory=dict)
    open_imports: dict[str, Reference] = field(default_factory=dict)

    def in_order(self) -> list[str]:
        """Return every namespace in the order of reaching; the absent one is left out."""
        return list(dict.fromkeys(one for found in self.namespaces.values() for one in found if one))


def check_files(files: Mapping[str, bytes], entry: str) -> dict[str, etree._Element]:
    """Return the schema element of every file that `entry` reaches, by path, in the order they are reached.

    Raises SchemaError: `schema.set_broken` for anything missing, outside the set, or not a schema;
    `schema.dialect_refused` for what only XSD 1.1 knows.
    """
    return reach(files, entry).documents


def reach(files: Mapping[str, bytes], *entries: str) -> Closure:
    """Return all that `entries` reach, one after the other. Raises SchemaError as `check_files` does."""
    closure = Closure()
    for entry in entries:
        start = _document(files, entry, closure)
        _follow(files, entry, start.get("targetNamespace", ""), closure)
    return closure


def included(closure: Closure, path: str, namespace: str) -> list[str]:
    """Return `path` and what it includes, directly or not: the files whose declarations come with it."""
    found, waiting = dict[str, None](), [path]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found[one] = None
        parts = [ref for ref in references(closure.documents[one], one, namespace) if not ref.is_import and ref.target]
        waiting += [str(ref.target) for ref in reversed(parts)]
    return list(found)


def references(root: etree._Element, path: str, namespace: str) -> Iterator[Reference]:
    """Yield the references of a file whose declarations belong to `namespace`. Raises SchemaError for a bad path."""
    for element in root.iterchildren(*_REFERENCES):
        location = element.get("schemaLocation")
        if location is not None and (root.get(_BASE) is not None or element.get(_BASE) is not None):
            problem = f"{path} (line {element.sourceline}) refers by xml:base; write the path as seen from that file"
            raise SchemaError("schema.set_broken", problem, facts={"file": path, "line": element.sourceline or 0})
        is_import = element.tag == f"{XSD}import"
        yield Reference(
            file=path,
            line=element.sourceline or 0,
            is_import=is_import,
            namespace=element.get("namespace", "") if is_import else namespace,
            target=None if location is None else locate(location, of=path),
        )


def _follow(files: Mapping[str, bytes], entry: str, namespace: str, closure: Closure) -> None:
    waiting: list[Reference] = [
        Reference(file=entry, line=0, is_import=False, namespace=namespace, target=entry),
    ]
    while waiting:
        reference = waiting.pop()
        path, namespace = reference.target, reference.namespace
        if path is None:
            closure.open_imports.setdefault(namespace, reference)
            continue
        if path not in files:
            place = f"{reference.file} (line {reference.line})"
            raise SchemaError(
                "schema.set_broken",
                f"{place} refers to {path}, which the set does not have; put the file there, or correct the reference",
                facts={"file": reference.file, "line": reference.line, "missing": path},
            )
        root = _document(files, path, closure)
        _check_namespace(reference, root)
        if reference.is_import:
            listed = closure.imports.setdefault(namespace, [])
            listed += [path] if path not in listed else []
        seen = closure.namespaces.setdefault(path, [])
        if namespace not in seen:
            seen.append(namespace)
            waiting += reversed(list(references(root, path, namespace)))


def _document(files: Mapping[str, bytes], path: str, closure: Closure) -> etree._Element:
    root = closure.documents.get(path)
    if root is None:
        root = parse_schema(files, path).getroot()
        if root.tag != f"{XSD}schema":
            raise SchemaError("schema.set_broken", f"{path} is not a schema")
        check_dialect(root, path)
        closure.documents[path] = root
    return root


def _check_namespace(reference: Reference, root: etree._Element) -> None:
    """A file must be of the namespace it is brought in for; one without may be included into any (a chameleon)."""
    declared = root.get("targetNamespace", "")
    if declared == reference.namespace or (not declared and not reference.is_import):
        return
    act = "imports" if reference.is_import else "includes"
    raise SchemaError(
        "schema.set_broken",
        f"{reference.file} (line {reference.line}) {act} {reference.target} for the namespace "
        f"{reference.namespace or 'that is none'}, but that file is of {declared or 'none'}",
        facts={"file": reference.file, "line": reference.line},
    )
