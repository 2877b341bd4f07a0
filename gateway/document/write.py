"""Writes the fixed form of serialise.py piece by piece, for a view that is built as its document is read.

The pieces are markup as text: whoever builds a view looks up the names once and puts escaped values between the tags.
What comes out is what `serialise` would write for the same tree, byte for byte (tests hold them against each other),
for a third of the time that building the tree takes. Values pass only through `escape_text` and `attribute`.
"""

import re
from collections.abc import Mapping
from typing import Final

from gateway.document.names import split_name

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>'
_IN_TEXT: Final = re.compile(r"[&<>\r]")
_IN_ATTRIBUTE: Final = re.compile(r'[&<>"\t\n\r]')
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def written_name(qualified: str, prefixes: Mapping[str, str]) -> str:
    """Return a qualified name as it is written: with the prefix of its namespace, bare when it has none.

    Raises KeyError for a namespace that has no prefix.
    """
    namespace, local = split_name(qualified)
    if not namespace:
        return local
    return f"{({uri: prefix for prefix, uri in prefixes.items()})[namespace]}:{local}"


def escape_text(text: str) -> str:
    """Return a text as it stands between tags."""
    return _IN_TEXT.sub(_escape, text) if _IN_TEXT.search(text) else text


def attribute(name: str, value: str) -> str:
    """Return an attribute without a namespace as it stands in a tag, with the blank before it."""
    return f' {name}="{_IN_ATTRIBUTE.sub(_escape, value) if _IN_ATTRIBUTE.search(value) else value}"'


def document_bytes(root: str, attributes: str, content: str, prefixes: Mapping[str, str]) -> bytes:
    """Return the bytes of a document. `root` as written; `content`: all that stands in it, with its tags.

    Declared are the prefixes that elements use, in the order of `prefixes`: `<` stands nowhere but before their tags.
    """
    markup = f"<{root}{attributes}>{content}"
    used = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in prefixes.items() if f"<{prefix}:" in markup)
    end = f">{content}</{root}>" if content else "/>"
    return f"{_DECLARATION}<{root}{used}{attributes}{end}".encode()


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES[match[0]]
