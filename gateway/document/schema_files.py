"""The second parser construction: files of a schema set, out of a mapping and never from a disk or a network.

A schema set is many files with sideways relative paths. `locate` works the paths out inside the set; `parse_schema`
parses one file so that libxml2 asks our resolver for every other. What the resolver does not hold does not exist:
the answer is an error, never a look elsewhere. A pattern that libxml2 could be held up with is given to it as another
that means the same (`as_compiled`).
"""

import posixpath
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from lxml import etree

from gateway.document.sniff import sniff
from gateway.errors import GatewayError, SchemaError

_BASE: Final = "wcx-set:///"
_WESTERN: Final = re.compile(
    rb"""(<\?xml[ \t\r\n][^>]*?)[ \t\r\n]encoding[ \t\r\n]*=[ \t\r\n]*["']"""
    rb"""((?i:iso-8859-15?|windows-1252|us-ascii))["']([^>]*?\?>)"""
)
_LINEAR: Final = {r".*[^\s].*": r"[\t ]*[^\s].*", r".*\S.*": r"[\t ]*\S.*"}
"""Patterns of official sets over which libxml2 takes time that grows with the square of a text that holds a line break,
two seconds for 20 KB, and what matches the very same texts at once: `.` is all but a line break."""


def locate(location: str, *, of: str) -> str:
    """Return the path inside the set that `location` means in the file `of`.

    Raises SchemaError `schema.set_broken` for a network reference, an absolute path, or one that leaves the set.
    """
    location = location.strip(" \t\r\n")  # as XSD reads every URI
    try:
        parts = urlsplit(location)
    except ValueError:  # brackets that hold no address
        raise SchemaError(
            "schema.set_broken", f"{of} refers to something that is no path; write a relative path"
        ) from None
    if parts.scheme or parts.netloc or parts.path.startswith("/") or "\\" in location:
        raise SchemaError(
            "schema.set_broken",
            f"{of} refers to something outside the set; put that file in the folder, and write a relative path",
        )
    if "#" in location or "?" in location:
        problem = (
            f"{of} refers to a file with a fragment or a query; write the path alone, with %23 for # and %3F for ?"
        )
        raise SchemaError("schema.set_broken", problem)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(of), unquote(parts.path)))
    if path.startswith("..") or path == ".":
        raise SchemaError("schema.set_broken", f"{of} refers to a file above the set's folder; name the one above")
    return path


def file_of(address: str) -> str:
    """Return the path inside the set that libxml2 means in an error."""
    return unquote(address.removeprefix(_BASE))


def parse_schema(files: Mapping[str, bytes], path: str) -> etree._ElementTree:
    """Return the parsed schema file `path`, whose imports will be answered from `files` alone.

    Raises SchemaError `schema.set_broken` when it is missing, not UTF-8, not well-formed, or has a DOCTYPE.
    """
    if path not in files:
        raise SchemaError("schema.set_broken", f"the set has no file {path}")
    try:
        content = _as_compiled(files[path])
        sniff(content)
        root = etree.fromstring(content, _parser(files), base_url=_BASE + quote(path))
    except GatewayError as error:
        raise SchemaError("schema.set_broken", f"{path}: {error.detail}") from None
    except etree.XMLSyntaxError as error:
        raise SchemaError("schema.set_broken", f"{path} is not well-formed at line {error.lineno}") from None
    return root.getroottree()


def as_compiled(pattern: str) -> str:
    """Return the pattern that libxml2 is given in place of one that it would take minutes over."""
    return _LINEAR.get(pattern, pattern)


def _as_compiled(content: bytes) -> bytes:
    """Return a file in UTF-8, with the patterns that are compiled."""
    content = _as_utf8(content)
    for slow, linear in _LINEAR.items():
        for mark in ('"', "'"):
            content = content.replace(f"{mark}{slow}{mark}".encode(), f"{mark}{linear}{mark}".encode())
    return content


def _as_utf8(content: bytes) -> bytes:
    """Return a file in UTF-8 if it declares a single-byte encoding that older schemas are published in."""
    declaration = _WESTERN.match(content)
    if declaration is None:
        return content
    encoding = declaration[2].decode("ascii")
    rest = content[declaration.end() :].decode(encoding, errors="replace")
    return declaration[1] + declaration[3] + rest.encode("utf-8")


def _parser(files: Mapping[str, bytes]) -> etree.XMLParser:
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, collect_ids=False
    )
    parser.resolvers.add(_SetResolver(files))
    return parser


class _SetResolver(etree.Resolver):
    """Answers libxml2 from the set. An unknown name gets an empty file, which is an error in every schema."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def resolve(self, system_url: str | None, public_id: str | None, context: Any) -> Any:
        del public_id
        known = self._files.get(posixpath.normpath(file_of(system_url or "")), b"")
        return self.resolve_string(_as_compiled(known), context, base_url=system_url)
