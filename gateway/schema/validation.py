"""Compiles a schema set and validates documents and views with it. lxml's verdict is the verdict.

A CompiledSet belongs to one worker and one thread: lxml keeps the errors of the last validation on the schema object,
so two threads on one would read each other's refusals, and with them another partner's data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from lxml import etree

from gateway.document import (
    Document,
    Signs,
    file_of,
    first_breach,
    is_crowded,
    parse_schema,
    prefixes_for,
    read_start,
)
from gateway.domain.ids import SchemaSetId
from gateway.domain.limits import DocumentLimits
from gateway.domain.message import DocumentFacts
from gateway.domain.telling import PLAIN, Telling
from gateway.errors import SchemaError, Violation
from gateway.schema.bounds import Bounds, read_bounds
from gateway.schema.facts.nodes import SchemaTree
from gateway.schema.introspection.tree import read_tree
from gateway.schema.sets import XSD, SchemaSet, check_files
from gateway.schema.telling.refusal import root_not_in_set, violations
from gateway.schema.telling.unlisted import names_only

_DOOR: Final = object()


@dataclass(frozen=True, slots=True)
class _Judged:
    """The tree that the error log is about: the document's, or of its start.

    `unended`: the elements of a start that had not ended, each with its like in the whole document.
    """

    root: etree._Element
    unended: Mapping[etree._Element, etree._Element]


class CompiledSet:
    """A schema set ready to validate. `prefixes`: how views under it are written. Stays in its process."""

    __slots__ = (
        *("_bounds", "_judged", "_names", "_proven", "_tree", "_unlisted", "_xsd"),
        *("id", "prefixes", "roots", "schema_set", "sha256"),
    )

    def __init__(self, schema_set: SchemaSet, xsd: etree.XMLSchema, tree: SchemaTree | None = None) -> None:
        self.schema_set: Final = schema_set
        self.id: Final[SchemaSetId] = schema_set.id
        self.sha256: Final[str] = schema_set.sha256
        self.roots: Final = frozenset(schema_set.roots)
        self.prefixes: Final[Mapping[str, str]] = prefixes_for(schema_set.namespaces)
        self._xsd: Final = xsd
        self._judged: _Judged | None = None
        self._tree: SchemaTree | None = tree
        self._unlisted: SchemaError | None = None
        self._names: SchemaTree | None = None
        self._bounds: Bounds | Literal["unread"] | None = "unread"
        self._proven: DocumentLimits | None = None

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a CompiledSet stays in the process that compiled it; hand over the SchemaSet")

    @property
    def tree(self) -> SchemaTree:
        """Every place of the set: the tree it was given, else read from its files when first asked for.

        Raises SchemaError `schema.set_broken` for a set that can not be listed, without trying more than once.
        """
        if self._unlisted is not None:
            raise self._unlisted.with_traceback(None)
        if self._tree is None:
            try:
                self._tree = read_tree(self.schema_set)
            except SchemaError as error:
                self._unlisted = error
                raise
        return self._tree

    @property
    def _telling_tree(self) -> SchemaTree:
        """What refusals are told by: the tree or, of a set that can not be listed, the names in its files alone."""
        if self._names is None:
            try:
                return self.tree
            except SchemaError:
                self._names = names_only(self.schema_set)
        return self._names

    def accepts(self, root: etree._Element, raw: bytes = b"", signs: Signs | None = None) -> bool:
        """Tell lxml's verdict on the tree under `root`, and whether the set allows that root.

        `raw`: the bytes it was read from, if it came from elsewhere: one that is made to hold errors without end is
        judged piece by piece (document/flood.py). `signs`: what was counted in them, if that had to be.
        """
        # Nothing is kept of what is accepted, for nobody asks why: held until the next document came, its tree would be
        # let go when it is cold, and two trees would share the cache.
        if root.tag in self.roots:
            end = first_breach(raw, self._xsd) if is_crowded(raw, root, signs) else None
            if end is not None:
                self._judged = _Judged(*read_start(raw, end, root))
                self._holds(self._judged.root)
                return False
            if self._holds(root):
                self._judged = None
                return True
        self._judged = _Judged(root, {})
        return False

    def _holds(self, root: etree._Element) -> bool:
        """libxml2's verdict; where it gives up, as inside a pattern that has too many ways to match, the verdict is no.

        Its log then names the element at which it gave up.
        """
        try:
            return self._xsd(root)
        except etree.XMLSchemaValidateError:
            return False

    def declares(self, name: str) -> bool:
        """Tell whether libxml2 knows a global element of this qualified name."""
        try:
            asked = etree.Element(name)
        except ValueError:  # no document can hold an element of such a name
            return False
        self._holds(asked)
        return all(one.type != etree.ErrorTypes.SCHEMAV_CVC_ELT_1 for one in self._xsd.error_log)

    def proves(self, limits: DocumentLimits) -> bool:
        """Tell whether whatever the set accepts is within the limits of depth and attributes."""
        if limits is self._proven:
            return True
        if self._bounds == "unread":
            self._bounds = read_bounds(check_files(self.schema_set.files, self.schema_set.entry))
        if self._bounds is None or not self._bounds.within(limits):
            return False
        self._proven = limits
        return True

    def refusal(self, root: etree._Element, telling: Telling = PLAIN) -> SchemaError:
        """Return why the tree that `accepts` refused last was refused, told as `telling` wishes."""
        judged = self._judged
        if judged is None or root.tag not in self.roots:
            found: tuple[Violation, ...] = (root_not_in_set(root, self.schema_set.roots, self._telling_tree, telling),)
        else:
            found = violations(self._xsd.error_log, judged.root, self._telling_tree, telling, unended=judged.unended)
        return SchemaError(
            "schema.invalid",
            f"The document breaks {self.id} in {len(found)} place{'s' if len(found) != 1 else ''}",
            violations=found,
            facts={"schema_set": self.id},
        )


class ValidDocument:
    """A document that the named set accepts. Only `validate` makes one. It stays in its process."""

    __slots__ = ("_compiled", "document")

    def __init__(self, document: Document, compiled: CompiledSet, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("only gateway.schema.validate makes a ValidDocument")
        self.document: Final = document
        self._compiled: Final = compiled

    @property
    def schema_set(self) -> SchemaSetId:
        """Which set accepts it."""
        return self._compiled.id

    @property
    def schema_set_sha256(self) -> str:
        """The hash over that set."""
        return self._compiled.sha256

    @property
    def root(self) -> etree._Element:
        """The document's tree; not to be changed."""
        return self.document.root

    @property
    def facts(self) -> DocumentFacts:
        """The document's header facts."""
        return self.document.facts


def compile_set(schema_set: SchemaSet, tree: SchemaTree | None = None) -> CompiledSet:
    """Return the set compiled for this process. Raises SchemaError `schema.set_broken` when lxml can not compile it.

    `tree`: the set's own tree, when another process has read it already.
    """
    try:
        xsd = etree.XMLSchema(parse_schema(schema_set.files, schema_set.entry))
    except etree.XMLSchemaParseError as error:
        raise SchemaError("schema.set_broken", f"{schema_set.id} does not compile{_cause(error)}") from None
    return CompiledSet(schema_set, xsd, tree)


def _cause(error: etree.XMLSchemaParseError) -> str:
    """The first thing that libxml2 says is wrong with the files: they are no document, so its words may be shown."""
    first = next(iter(error.error_log.filter_from_errors()), None)
    if first is None:
        return ""
    return f": {file_of(first.filename)}, line {first.line}: {first.message.replace(XSD, 'xs:')}"


def validate(document: Document, compiled: CompiledSet, telling: Telling = PLAIN) -> ValidDocument:
    """Return the document as valid under the set, and make sure that its tree is within limits.

    `telling`: how a refusal is told. Raises SchemaError `schema.kind_not_in_set` when the set is not for this message
    kind, and `schema.invalid` with its violations otherwise. Raises DocumentError before either when the tree is beyond
    the limits.
    """
    kind = document.kind
    if kind not in compiled.schema_set.kinds:
        document.measure()
        raise SchemaError(
            "schema.kind_not_in_set",
            f"{compiled.id} is not for messages of kind {kind}",
            facts={"schema_set": compiled.id, "kind": str(kind)},
        )
    if not compiled.accepts(document.root, document.raw, document.signs):
        document.measure()
        raise compiled.refusal(document.root, telling)
    if document.unmeasured is not None and not compiled.proves(document.unmeasured):
        document.measure()
    return ValidDocument(document, compiled, _DOOR)


def validate_view_root(root: etree._Element, compiled: CompiledSet) -> None:
    """Raise SchemaError `schema.invalid` unless the set accepts the freshly built tree under `root`."""
    if not compiled.accepts(root):
        raise compiled.refusal(root)
