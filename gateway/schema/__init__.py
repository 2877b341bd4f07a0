"""Schema sets, validation, and what a set says about every place.

Sets come in as mappings from path to bytes; nothing here reads a disk or a network.
"""

from gateway.schema.explanation import Explanation, explain
from gateway.schema.facts import AttributeFacts, SchemaNode, SchemaTree, ValueFacts
from gateway.schema.sets import SchemaSet, assemble_set, load_set, set_sha256
from gateway.schema.tree import read_tree
from gateway.schema.validation import CompiledSet, ValidDocument, compile_set, validate, validate_view_root
from gateway.schema.words import expectation

__all__ = [
    "AttributeFacts",
    "CompiledSet",
    "Explanation",
    "SchemaNode",
    "SchemaSet",
    "SchemaTree",
    "ValidDocument",
    "ValueFacts",
    "assemble_set",
    "compile_set",
    "expectation",
    "explain",
    "load_set",
    "read_tree",
    "set_sha256",
    "validate",
    "validate_view_root",
]
