"""The schema sets that the console of the tests shows."""

from collections.abc import Mapping
from functools import cache

from gateway.bundled import schema_folder
from gateway.domain.ids import SchemaSetId
from gateway.schema import SchemaSet, SchemaTree, read_tree
from gateway.settings import load_catalogue


@cache
def schema_sets() -> Mapping[SchemaSetId, tuple[SchemaSet, SchemaTree]]:
    """Return one bundled set with its tree."""
    set_id = SchemaSetId("dms-cancellation")
    rules = load_catalogue(schema_folder())[set_id]
    return {set_id: (rules, read_tree(rules))}
