"""What is said about each mutant: the golden explanation, the true place, a rule that fits how it was made.

mutants.csv holds what was read and found right, one line a mutant: `rule@path`, or `valid`. Every mutant has one thing
wrong, so one violation is all there may be.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from gateway.document import read_root
from gateway.domain.telling import Telling
from gateway.errors import DocumentError
from gateway.schema import explain
from tests.material.conftest import Labelled
from tests.unit.schema.second_opinion import second_verdict
from tests.unit.schema.sets import LIMITS, bundled

GOLDEN = Path(__file__).with_name("mutants.csv")
VALUE = {"blank", "too_long", "bad_characters", "not_in_code_list", "pattern", "bad_date", "line_break", "not_a_number"}
FITTING: dict[str, set[str]] = {
    "bad_currency": {"too_long", "blank", "pattern"},
    "bad_date": {"bad_date", "blank"},
    "bad_format_code": {"bad_format_code"},
    "bad_function_code": {"not_in_code_list"},
    "blank_value": {"blank"},
    "control_like": VALUE,
    "drop_body": {"missing"},
    "drop_required": {"missing"},
    "empty_value": {"blank"},
    "foreign_element": {"unexpected"},
    "html_in_text": VALUE,
    "letters_in_digits": {"bad_characters", "not_in_code_list", "not_a_number"},
    "misspelt": {"misspelt"},
    "moved_up": {"unexpected", "too_many", "out_of_order"},
    "no_namespace": {"wrong_namespace"},
    "over_digits": {"too_many_digits"},
    "over_fraction": {"too_many_decimals"},
    "over_length": {"too_long"},
    "surrounding_space": {"line_break", "too_long", "bad_characters"},
    "swap_order": {"out_of_order"},
    "text_in_class": {"text_not_allowed"},
    "too_many": {"too_many"},
    "two_bodies": {"two_bodies"},
    "unit_overlong": {"too_long"},
    "unknown_element": {"unexpected"},
    "wrong_attribute": {"attribute_not_allowed"},
    "wrong_namespace": {"wrong_namespace"},
    "wrong_type": {"not_a_number"},
    "xsi_nil": {"nil"},
    "xsi_type": {"type_override"},
}
"""How a mutant was made → the rules that may be named for it, where it is invalid."""


def _golden() -> dict[str, str]:
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row["explanation"] for row in csv.DictReader(file)}


def _where(material: Path) -> dict[str, str]:
    with (material / "wco" / "mutants" / "labels.csv").open(encoding="utf-8", newline="") as file:
        return {Path(row["file"]).name: row["where"] for row in csv.DictReader(file)}


def _true_places(operator: str, where: str) -> set[str]:
    """Return the paths that would be right, as the labels tell where the mutation was made."""
    places = {re.sub(r"(=.*| x2)$", "", one) for one in where.split(" <-> ")}
    if operator == "moved_up":  # it now stands one class further up than where it was taken from
        places = {re.sub(r"/[^/]+(/[^/]+)$", r"\1", one) for one in places}
    if operator in ("unknown_element", "foreign_element"):  # names that no set knows are not repeated
        places = {re.sub(r"[^/]+$", "*", one) for one in places}
    return {"/MetaData" if one == "/" else f"/MetaData{one}" for one in places}


def test_every_mutant_has_its_golden_explanation(mutants: list[Labelled], count: Callable[..., None]) -> None:
    golden = _golden()
    different, kinds = [], Counter[str]()
    for label in mutants:
        found = explain("f", label.path.read_bytes(), bundled(label.schema_set), LIMITS)
        told = " ".join(f"{one.rule}@{one.path}" for one in found.violations) or "valid"
        kinds[label.operator] += 1
        # Mutants that were added since have no golden; the tests below still look at them.
        if told != golden.get(label.path.name, told):
            different.append(f"{label.path.name}: {told}, not {golden[label.path.name]}")
    assert not different, "\n".join(different)
    assert len(golden) == 219
    count("kinds of mutation explained", len(kinds))
    count("mutants with their golden explanation", sum(label.path.name in golden for label in mutants))


def test_every_mutant_is_explained_at_the_true_place_by_a_fitting_rule(
    material: Path, mutants: list[Labelled], count: Callable[..., None]
) -> None:
    where, wrong, right = _where(material), [], 0
    for label in mutants:
        found = explain("f", label.path.read_bytes(), bundled(label.schema_set), LIMITS)
        if found.valid:
            continue
        places = _true_places(label.operator, where[label.path.name])
        first = found.violations[0]
        place = re.sub(r"\[\d+\]", "", first.path)
        if place not in places or first.rule not in FITTING[label.operator]:
            wrong.append(f"{label.path.name}: {first.rule} at {place}, made at {sorted(places)}")
        right += 1
    count("invalid mutants explained at the true place", right - len(wrong))
    assert not wrong, "\n".join(wrong)


def test_the_value_that_a_submitter_asks_for_is_the_one_that_stands_there(
    mutants: list[Labelled], count: Callable[..., None]
) -> None:
    shown = 0
    for label in mutants:
        raw = label.path.read_bytes()
        plain = explain("f", raw, bundled(label.schema_set), LIMITS)
        asked = explain("f", raw, bundled(label.schema_set), LIMITS, Telling(values=True))
        assert all(one.value is None for one in plain.violations)
        assert [one.path for one in asked.violations] == [one.path for one in plain.violations]
        shown += sum(one.value is not None for one in asked.violations)
    count("values shown on asking", shown)
    assert shown > 100


def test_a_second_processor_gives_the_same_verdict_on_every_message_and_mutant(
    published: list[Labelled], mutants: list[Labelled], count: Callable[..., None]
) -> None:
    different, judged = [], 0
    for label in [*published, *mutants]:
        try:
            root = read_root(label.path.read_bytes(), LIMITS)
        except DocumentError:
            assert not label.valid
            continue
        compiled = bundled(label.schema_set)
        judged += 1
        if second_verdict(root, compiled) is not compiled.accepts(root):
            different.append(label.path.name)
    count("messages and mutants judged by two processors", judged)
    count("of which with the same verdict", judged - len(different))
    assert not different, "\n".join(different)
