"""A second XSD processor's verdict: xmlschema, on the same files and the same document."""

from typing import Any, cast

from lxml import etree
from xmlschema import XMLSchema10

from gateway.schema import CompiledSet
from gateway.schema.introspection.components import components

__all__ = ["second_verdict"]

_SCHEMAS: dict[str, XMLSchema10] = {}


def second_verdict(root: etree._Element, compiled: CompiledSet) -> bool:
    """Tell xmlschema's verdict on the tree under `root`. An exception of its own counts as invalid."""
    if root.tag not in compiled.roots:
        return False
    if compiled.sha256 not in _SCHEMAS:
        _SCHEMAS[compiled.sha256] = components(compiled.schema_set)
    try:
        return bool(_SCHEMAS[compiled.sha256].is_valid(cast(Any, root)))
    except Exception:  # noqa: BLE001  it raises whatever its own code meets; an unknown prefix in xsi:type for one
        return False
