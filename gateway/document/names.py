"""Names of the messages the gateway knows, and the fixed prefixes a view is written with.

A namespace does not name a schema: the agreement picks the schema set, and the set judges every qualified name. The
namespaces here are those of the bundled sets; other releases have others. Prefixes of incoming documents mean nothing.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

METADATA: Final = "urn:wco:datamodel:WCO:DocumentMetaData-DMS:2"
DECLARATION: Final = "urn:wco:datamodel:WCO:DEC-DMS:2"
DECLARATION_VALUES: Final = "urn:wco:datamodel:WCO:Declaration_DS:DMS:2"
RESPONSE: Final = "urn:wco:datamodel:WCO:RES-DMS:2"
RESPONSE_VALUES: Final = "urn:wco:datamodel:WCO:Response_DS:DMS:2"

METADATA_ROOT: Final = f"{{{METADATA}}}MetaData"
BODIES: Final = frozenset({"Declaration", "Response"})
"""What a body is called in every release, whatever its namespace."""

PREFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "md": METADATA,
        "dec": DECLARATION,
        "decv": DECLARATION_VALUES,
        "res": RESPONSE,
        "resv": RESPONSE_VALUES,
    }
)
"""Prefix → namespace, as every view is written."""


def prefixes_for(namespaces: Iterable[str]) -> dict[str, str]:
    """Return prefix → namespace for a view under a schema set: the fixed ones, then `n1`, `n2`, … for others.

    `namespaces` in the order of the set's manifest, so that both ends of an agreement write the same bytes.
    """
    known = set(PREFIXES.values())
    others = [uri for uri in dict.fromkeys(namespaces) if uri not in known]
    return {**PREFIXES, **{f"n{number}": uri for number, uri in enumerate(others, start=1)}}


def split_name(qualified: str) -> tuple[str, str]:
    """Return (namespace, local name) of `{namespace}local`; the namespace is empty when there is none."""
    if not qualified.startswith("{"):
        return "", qualified
    namespace, _, local = qualified[1:].rpartition("}")
    return namespace, local
