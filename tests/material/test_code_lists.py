"""The bundled code lists against real messages: what is unknown is a placeholder, not a code that the lists lack."""

from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

from gateway.document import read
from gateway.domain.ids import SchemaSetId
from gateway.schema import assemble_set, compile_code_lists, join_catalogues, read_catalogue, read_tree
from tests.material.conftest import Labelled
from tests.unit.schema.sets import DEC, LIMITS, MD, SET_IDS, bundled
from tests.unit.schema.test_code_lists import BUNDLED

DAY = date(2026, 11, 22)
PLACEHOLDERS = {"ZG", "ZL", "ZN", "ZU"}
"""What stands for a country in six published messages; ISO 3166-1 neither assigns these nor leaves them to users."""


def test_every_code_of_a_real_message_is_in_its_list(published: list[Labelled], count: Callable[..., None]) -> None:
    catalogue = join_catalogues([read_catalogue(BUNDLED)])
    lists = {one: compile_code_lists(catalogue, bundled(one).tree, SchemaSetId(one)) for one in SET_IDS}
    checked, unknown, placeholders = Counter[str](), Counter[str](), Counter[str]()
    messages = [label for label in published if label.valid]
    for label in messages:
        root = read(label.path.read_bytes(), LIMITS).root
        here = lists[label.schema_set].checked(root)
        checked.update({list_id: len(values) for list_id, values in here.items()})
        countries = [value for value in here.get("iso-3166-1", ()) if value in PLACEHOLDERS]  # type: ignore[call-overload]
        placeholders.update(countries)
        found = lists[label.schema_set].violations(root, DAY)
        unknown.update(violation.rule.removeprefix("code_list:") for violation in found)
        assert len(found) == len(countries), label.path.name
    count("valid messages looked at", len(messages))
    for list_id, number in sorted(checked.items()):
        count(f"values compared with {list_id}", number)
        count(f"unknown to {list_id}", unknown[list_id])
    assert set(unknown) <= {"iso-3166-1"}
    assert unknown["iso-3166-1"] == placeholders.total()
    assert len(checked) == len({binding.list for binding in catalogue.bindings})


def test_lists_are_bound_by_wco_id_in_a_set_that_is_not_ours(material: Path, count: Callable[..., None]) -> None:
    folder = material / "wco/schema-sets/gb-older/declaration"
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    older = assemble_set(
        files,
        set_id="gb-older",
        release="older",
        title="An older official set",
        entry="_w.xsd",
        kinds=["declaration"],
        roots=[f"{{{MD}}}MetaData", f"{{{DEC}}}Declaration"],
        namespaces=[MD, DEC],
    )
    lists = compile_code_lists(join_catalogues([read_catalogue(BUNDLED)]), read_tree(older), older.id)
    ours = compile_code_lists(
        join_catalogues([read_catalogue(BUNDLED)]), bundled(SET_IDS[0]).tree, SchemaSetId(SET_IDS[0])
    )
    count("places bound in an older official set", len(lists.places))
    assert set(lists.places.values()) == set(ours.places.values())
    assert len(lists.places) >= 100
