"""The tree of a set: every place a document under it can have, read once and frozen.

What the set allows comes from xmlschema (components.py, places.py, value_types.py); the verdict on a document never
does. Those modules are imported only when a tree is asked for: a process that is handed its trees, or that never needs
one, does not pay for them. The trees of the last few sets are kept: a reload mostly finds the sets it had before.
"""

import functools
from dataclasses import dataclass, field
from typing import Final

from gateway.schema.facts.nodes import SchemaTree
from gateway.schema.facts.privacy import classified
from gateway.schema.facts.privacy_file import PrivacyFile
from gateway.schema.sets import SchemaSet

_KEPT: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """All that a tree depends on; two sets of equal answers here have the same tree."""

    id: str
    sha256: str
    roots: tuple[str, ...]
    privacy: tuple[PrivacyFile, ...]
    schema_set: SchemaSet = field(repr=False, compare=False)


def read_tree(schema_set: SchemaSet) -> SchemaTree:
    """Return the tree of a set, privacy classes included. Takes 0.1 to 0.5 s, the first in a process 0.5 s more.

    Raises SchemaError `schema.set_broken` for a root that no file declares, for a set that xmlschema can not take, and
    for one that allows more places than `places.MAX_PLACES` or nests deeper than `places.MAX_DEPTH`. Raises
    ConfigurationError `config.invalid` when a privacy file made for this set names what it does not have.
    """
    asked = _Asked(
        id=schema_set.id,
        sha256=schema_set.sha256,
        roots=schema_set.roots,
        privacy=schema_set.privacy,
        schema_set=schema_set,
    )
    return _read(asked)


@functools.lru_cache(_KEPT)
def _read(asked: _Asked) -> SchemaTree:
    from gateway.schema.introspection.components import components
    from gateway.schema.introspection.places import read_roots

    schema_set = asked.schema_set
    bare = SchemaTree(read_roots(components(schema_set), schema_set.roots))
    return classified(bare, schema_set.id, schema_set.privacy)
