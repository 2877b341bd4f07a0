"""The schema sets, and the policy, that the console of the tests shows."""

from collections.abc import Mapping, Sequence
from functools import cache

from gateway.bundled import schema_folder
from gateway.domain.ids import SchemaSetId
from gateway.policy.telling.diff import Diff, diff
from gateway.schema import SchemaSet, SchemaTree, read_tree
from gateway.settings import load_catalogue
from tests.unit.policy.rules import example, valid
from tests.unit.schema.sets import bundled


@cache
def schema_sets() -> Mapping[SchemaSetId, tuple[SchemaSet, SchemaTree]]:
    """Return one bundled set with its tree."""
    set_id = SchemaSetId("dms-cancellation")
    rules = load_catalogue(schema_folder())[set_id]
    return {set_id: (rules, read_tree(rules))}


async def try_out(raw: bytes, policies: Sequence[str]) -> Diff:
    """Hold a document against as many example policies, whatever the agreement of these tests names."""
    how = [example("safety-and-security"), example("customs-cooperation")]
    return diff(valid(raw), how[: len(policies)], bundled("dms-declaration"))
