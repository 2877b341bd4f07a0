"""`python -m tests.fuzz.target NAME [libFuzzer options] CORPUS`: one fuzz target in a process of its own.

libFuzzer owns the process: it never returns, and ends it with a code other than 0 at the first input that raises
what a target does not expect, or takes too long. What a target expects is an error of its own family and nothing else.
"""

import contextlib
import sys
from collections.abc import Callable
from typing import Final

import atheris

with atheris.instrument_imports(include=["gateway.document", "gateway.schema"]):
    from gateway.document import read, serialise
    from gateway.schema import assemble_set, compile_set
    from gateway.schema.adding import Wish, make_set

from gateway.domain.limits import DocumentLimits
from gateway.errors import DocumentError, SchemaError

_LIMITS: Final = DocumentLimits(size_bytes=64 * 1024)
_FILES: Final = ("a.xsd", "b.xsd", "folder/c.xsd")
SEPARATOR: Final = b"\n<!-- next file -->\n"
PLANTED: Final = b"<planted/>"


def document(raw: bytes) -> None:
    """Bytes make a document or a DocumentError; a document has facts, and what is written of it reads as the same."""
    try:
        found = read(raw, _LIMITS)
    except DocumentError:
        return
    facts = found.facts
    written = serialise(found.root)
    again = read(written, DocumentLimits())
    assert again.facts == facts
    assert serialise(again.root) == written


def catalogue(raw: bytes) -> None:
    """Files make a schema set that compiles, or a SchemaError: by a manifest's facts, and as `schema add` makes one."""
    files = dict(zip(_FILES, raw.split(SEPARATOR), strict=False))
    with contextlib.suppress(SchemaError):
        compile_set(
            assemble_set(
                files,
                set_id="fuzz-1",
                release="1",
                title="Fuzz",
                entry=_FILES[0],
                kinds=["declaration"],
                roots=["{urn:x}Declaration"],
                namespaces=["urn:x"],
            )
        )
    with contextlib.suppress(SchemaError):
        compile_set(make_set(files, Wish(set_id="fuzz-1", entry=_FILES[0])))


def planted(raw: bytes) -> None:
    """Has a defect on purpose: a run over this must fail, or a run says nothing."""
    if PLANTED in raw:
        raise ValueError("the planted defect")
    document(raw)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {"document": document, "catalogue": catalogue, "planted": planted}


def main() -> None:
    """Hand the process over to libFuzzer."""
    name, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
