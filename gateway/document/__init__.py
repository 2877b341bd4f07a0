"""The XML door: byte sniffing, limits, the parser constructions, WCO paths, header facts, view serialisation.

Nothing outside this room parses or serialises XML. Bytes become a `Document` only by `read`.
"""

from gateway.document.door import Document, Signs, read, read_root, read_unmeasured
from gateway.document.facts import find_body, read_facts
from gateway.document.flood import first_breach, is_crowded, read_start
from gateway.document.leaves import leaves
from gateway.document.names import BODIES, METADATA_ROOT, PREFIXES, prefixes_for, split_name
from gateway.document.paths import indexed_path, segment, wco_path
from gateway.document.schema_files import as_compiled, file_of, locate, parse_schema
from gateway.document.serialise import built, fixed_copy, in_fixed_form, serialise

__all__ = [
    "BODIES",
    "METADATA_ROOT",
    "PREFIXES",
    "Document",
    "Signs",
    "as_compiled",
    "built",
    "file_of",
    "find_body",
    "first_breach",
    "fixed_copy",
    "in_fixed_form",
    "indexed_path",
    "is_crowded",
    "leaves",
    "locate",
    "parse_schema",
    "prefixes_for",
    "read",
    "read_facts",
    "read_root",
    "read_start",
    "read_unmeasured",
    "segment",
    "serialise",
    "split_name",
    "wco_path",
]
