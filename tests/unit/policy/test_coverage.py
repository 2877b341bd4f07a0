"""Coverage says of every place of a schema set what may leave, and no document ever shows it wrong."""

import re
from pathlib import Path

import pytest

from gateway.policy import explain
from gateway.policy.telling.coverage import Fate, coverage
from gateway.policy.telling.coverage_text import by_class, tree_lines
from gateway.schema import PrivacyClass
from tests.unit.policy.rules import CODES, SAMPLES, compiled, example, fitting, policy, reviewed, valid
from tests.unit.schema.sets import bundled

D = "/MetaData/Declaration"
TREE = bundled("dms-declaration").tree


def fates(rules: str) -> dict[str, Fate]:
    return {place.path: place.fate for node in coverage(policy(rules), TREE) for place in node.places()}


def test_every_leaf_and_attribute_of_the_set_is_there_once() -> None:
    places = [place for node in coverage(policy(CODES), TREE) for place in node.places()]
    assert len({place.path for place in places}) == len(places)
    nodes = [node for home in TREE.homes for node in TREE.below(home)]
    assert len(places) == sum(node.is_leaf + len(node.attributes) for node in nodes)


def test_what_no_rule_names_does_not_leave_and_a_dropped_subtree_neither() -> None:
    found = fates(f"{CODES}  - keep: {D}/Declarant\n    attributes: [languageID]\n  - drop: {D}/Declarant/Address\n")
    leaves = {path for path, fate in found.items() if fate is Fate.KEPT}
    assert {f"{D}/TypeCode", f"{D}/Declarant/Name", f"{D}/Declarant/Name/@languageID"} <= leaves
    assert not any("/Address/" in path or "Exporter" in path for path in leaves)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_what_leaves_of_a_document_is_what_coverage_says_may(path: Path) -> None:
    for name in fitting(path):
        how = example(name)
        nodes = coverage(how.policy, reviewed(how.schema_set).tree)
        found = {place.path: place.fate for node in nodes for place in node.places()}
        for one in explain(valid(path.read_bytes(), how.schema_set), how):
            plain = re.sub(r"\[\d+\]", "", one.path)
            at = plain if plain in found else f"/MetaData{plain}"  # a bare body is ruled as in the envelope
            assert not one.kept or found[at] is not Fate.WITHHELD
            assert one.kept or one.note or one.is_empty or found.get(at, Fate.WITHHELD) is Fate.WITHHELD


def test_counts_are_by_class_and_add_up() -> None:
    nodes = coverage(policy(CODES), TREE)
    rows = dict(by_class([nodes]))
    assert rows["all elements"][0].startswith("2 of ")
    total = int(rows["all elements"][0].split()[2])
    named = [cells[0] for name, cells in rows.items() if not name.startswith("all ")]
    assert sum(int(cell.split()[2]) for cell in named) == total
    assert set(rows) - {"all elements", "all attributes", "not classed"} <= {one.value for one in PrivacyClass}


def test_a_tree_folds_what_is_all_alike_and_shows_the_rest() -> None:
    nodes = coverage(compiled(f"{CODES}  - keep: {D}/Declarant/Name\n").policy, TREE)
    lines = {name.strip().split()[0]: cells[0] for cells, name in tree_lines([nodes])}
    assert (lines["Declarant/"].partition("/")[0], lines["TypeCode"], lines["Agent/"]) == ("1", "=", "-")
    assert len(list(tree_lines([nodes], full=True))) > len(list(tree_lines([nodes])))
