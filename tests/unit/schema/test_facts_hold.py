"""Every fact about every place, held against libxml2: what the facts allow is accepted, one step beyond is refused."""

from collections import Counter

import pytest

from tests.oracle.xsd_paths import read_paths
from tests.unit.schema.instances import Piece, holding, longest_value, right_value, smallest, wrong_values
from tests.unit.schema.sets import DATA, SET_IDS, bundled


def accepted(set_id: str, document: Piece) -> bool:
    return bundled(set_id).accepts(document.element())


@pytest.mark.parametrize("set_id", SET_IDS)
def test_the_smallest_document_with_any_place_is_accepted(set_id: str) -> None:
    tree = bundled(set_id).tree
    for path in tree.nodes:
        document, place, _ = holding(tree, path)
        assert accepted(set_id, document), path
        if place.node.value is not None and (text := longest_value(place.node.value)) is not None:
            place.text = text
            assert accepted(set_id, document), path


@pytest.mark.parametrize("set_id", SET_IDS)
def test_a_value_one_step_beyond_a_fact_is_refused(set_id: str) -> None:
    tree, broken = bundled(set_id).tree, Counter[str]()
    for path, node in tree.nodes.items():
        if node.value is None:
            continue
        document, place, _ = holding(tree, path)
        told = {name for name, _ in wrong_values(node.value)}
        for name, text in wrong_values(node.value):
            place.text = text
            assert not accepted(set_id, document), (path, name)
            broken[name] += 1
        # No fact of a value goes untried.
        for name in ("one_of", "max_length", "total_digits", "fraction_digits"):
            assert name in told or getattr(node.value, name) in (None, ()) or node.value.one_of, (path, name)
    assert broken["max_length"] > 3


@pytest.mark.parametrize("set_id", SET_IDS)
def test_a_place_is_a_leaf_exactly_when_it_takes_text(set_id: str) -> None:
    tree = bundled(set_id).tree
    for path, node in tree.nodes.items():
        document, place, _ = holding(tree, path)
        if node.is_leaf:
            place.inside.append(smallest(tree.roots[0]))
        else:
            place.text = "A"
        assert not accepted(set_id, document), path


@pytest.mark.parametrize("set_id", SET_IDS)
def test_one_element_more_or_less_than_the_bounds_is_refused(set_id: str) -> None:
    tree, tried = bundled(set_id).tree, Counter[str]()
    for path, node in tree.nodes.items():
        document, place, parent = holding(tree, path)
        if parent is None:
            continue
        at = parent.inside.index(place)
        count = sum(1 for one in parent.inside if one.node is node)
        if node.most is not None:
            parent.inside[at:at] = [smallest(node) for _ in range(node.most - count)]
            assert accepted(set_id, document), (path, "most")
            parent.inside.insert(at, smallest(node))
            assert not accepted(set_id, document), (path, "one too many")
            tried["one too many"] += 1
        else:
            parent.inside[at:at] = [smallest(node) for _ in range(50)]
            assert accepted(set_id, document), (path, "any number")
        if node.least:
            parent.inside = [one for one in parent.inside if one.node is not node]
            parent.inside[at:at] = [smallest(node) for _ in range(node.least - 1)]
            assert not accepted(set_id, document), (path, "one too few")
            tried["one too few"] += 1
    assert tried["one too many"] > 20
    assert tried["one too few"] > 2


@pytest.mark.parametrize("set_id", SET_IDS)
def test_children_in_another_order_are_refused(set_id: str) -> None:
    tree, tried = bundled(set_id).tree, 0
    for path, node in tree.nodes.items():
        for first, second in zip(node.children, node.children[1:], strict=False):
            document, place, _ = holding(tree, path)
            kept = [one for one in place.inside if one.node not in (first, second)]
            order = {child.path: index for index, child in enumerate(node.children)}
            at = sum(1 for one in kept if order[one.node.path] < order[first.path])
            place.inside = [*kept[:at], smallest(second), smallest(first), *kept[at:]]
            assert not accepted(set_id, document), (path, first.name, second.name)
            tried += 1
    assert tried > 10


@pytest.mark.parametrize("set_id", SET_IDS)
def test_every_attribute_is_what_the_facts_say(set_id: str) -> None:
    tree, tried = bundled(set_id).tree, Counter[str]()
    for path, node in tree.nodes.items():
        document, place, _ = holding(tree, path)
        required = dict(place.attributes)
        for name, facts in node.attributes.items():
            place.attributes = {**required, name: right_value(facts.value)}
            assert accepted(set_id, document), (path, name)
            for fact, text in wrong_values(facts.value):
                place.attributes = {**required, name: text}
                assert not accepted(set_id, document), (path, name, fact)
                tried[fact] += 1
            place.attributes = {one: text for one, text in required.items() if one != name}
            assert accepted(set_id, document) is not facts.required, (path, name)
        place.attributes = {**required, "unheardOf": "1"}
        assert not accepted(set_id, document), path
        place.attributes = required
    assert sum(tried.values()) > 10


@pytest.mark.parametrize("set_id", SET_IDS)
def test_no_place_and_no_attribute_is_missing(set_id: str) -> None:
    """The oracle reads the files with the standard library alone."""
    tree = bundled(set_id).tree
    ours = {
        path: (
            *(node.namespace, node.is_leaf, node.least, node.most, node.wco_id, node.nillable),
            {one.name: one.required for one in node.attributes.values()},
            [child.path for child in node.children],
        )
        for path, node in tree.nodes.items()
    }
    theirs = {
        path: (
            *(place.namespace, place.leaf, place.least, place.most, place.wco_id, place.nillable),
            place.attributes,
            place.children,
        )
        for path, place in read_paths(DATA / set_id).items()
    }
    roots = {root.path for root in tree.roots}
    assert ours == {path: found for path, found in theirs.items() if "/" + path.split("/")[1] in roots}
