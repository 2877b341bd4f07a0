"""Conditions hold by what a document answers, at the scope that their rule gives them."""

import pytest

from gateway.policy.language.conditions import BUILT_IN, Condition, Scope, scope_of

ITEM = "/M/D/Item"


def asks(*values: str, negated: bool = False, name: str = "commodity") -> Condition:
    return Condition(criterion=BUILT_IN[name], values=values, negated=negated)


@pytest.mark.parametrize(
    ("values", "answers", "holds"),
    [
        (("93",), ("93",), True),
        (("93",), ("9306",), False),
        (("93*",), ("9306",), True),
        (("93*",), ("93",), True),
        (("93*", "36"), ("01", "36"), True),
        (("93*",), (), False),
        (("*",), ("01",), True),
        (("FR",), (" FR\n",), True),
        (("FR",), ("\u00a0FR",), False),
    ],
)
def test_one_answer_that_fits_is_enough(values: tuple[str, ...], answers: tuple[str, ...], holds: bool) -> None:
    assert asks(*values).holds(answers) is holds
    assert asks(*values, negated=True).holds(answers) is not holds


@pytest.mark.parametrize(
    ("one", "other", "single", "excludes"),
    [
        (asks("93*"), asks("36*"), True, True),
        (asks("93*"), asks("36*"), False, False),  # two items may answer differently
        (asks("93*"), asks("9306"), True, False),
        (asks("9306"), asks("93*"), True, False),
        (asks("9306"), asks("93*", negated=True), False, True),
        (asks("93*"), asks("9306", negated=True), False, False),
        (asks("93*", "36"), asks("93*", negated=True), True, False),
        (asks("93*", negated=True), asks("36*", negated=True), True, False),
        (asks("93*"), asks("36*", name="procedure"), True, False),
    ],
)
def test_conditions_exclude_each_other_only_where_no_document_could_meet_both(
    one: Condition, other: Condition, single: bool, excludes: bool
) -> None:
    assert one.excludes(other, single=single) is excludes
    assert other.excludes(one, single=single) is excludes


@pytest.mark.parametrize(
    ("path", "is_leaf", "scope"),
    [
        (f"{ITEM}/Value", True, Scope(path=ITEM, places=(f"{ITEM}/Goods/Code",))),
        (f"{ITEM}/Goods/Code", True, Scope(path=f"{ITEM}/Goods", places=(f"{ITEM}/Goods/Code",))),
        (ITEM, False, Scope(path=ITEM, places=(f"{ITEM}/Goods/Code",))),
        ("/M/D/Date", True, Scope(path="/M/D", places=(f"{ITEM}/Goods/Code",))),
        ("/M/X/Y", True, Scope(path="/M", places=(f"{ITEM}/Goods/Code",))),
    ],
)
def test_a_criterion_is_looked_up_in_the_nearest_class_that_holds_both(path: str, is_leaf: bool, scope: Scope) -> None:
    assert scope_of(path, is_leaf=is_leaf, places=[f"{ITEM}/Goods/Code"]) == scope


def test_of_several_places_the_nearest_count() -> None:
    places = ["/M/D/Destination/Code", f"{ITEM}/Destination/Code"]
    assert scope_of(f"{ITEM}/Value", is_leaf=True, places=places).places == (f"{ITEM}/Destination/Code",)
    assert set(scope_of("/M/D/Date", is_leaf=True, places=places).places) == set(places)
    assert scope_of("/M/D/Date", is_leaf=True, places=[]) == Scope(path="", places=())
