"""The bundled sets against real messages: their verdict must be the official one."""

import copy
from collections import Counter
from collections.abc import Callable

import pytest

from gateway.document import in_fixed_form, read, read_root, serialise
from gateway.domain.message import MessageKind
from gateway.schema import CompiledSet, explain, validate
from tests.material.conftest import Labelled
from tests.unit.schema.sets import LIMITS, SET_IDS, bundled

MESSAGE_KIND = {
    "declaration": MessageKind.DECLARATION,
    "amendment": MessageKind.AMENDMENT,
    "arrival": MessageKind.ARRIVAL,
    "cancellation": MessageKind.CANCELLATION,
    "response": MessageKind.RESPONSE,
    "notification": MessageKind.RESPONSE,
}


@pytest.fixture(scope="module")
def sets() -> dict[str, CompiledSet]:
    return {set_id: bundled(set_id) for set_id in SET_IDS}


def test_every_valid_message_is_accepted_as_its_kind(
    published: list[Labelled], sets: dict[str, CompiledSet], count: Callable[..., None]
) -> None:
    kinds = Counter[str]()
    for label in published:
        if not label.valid:
            continue
        document = read(label.path.read_bytes(), LIMITS)
        assert document.kind is MESSAGE_KIND[label.kind], label.path.name
        validate(document, sets[label.schema_set])
        kinds[label.kind] += 1
    assert set(kinds) >= {"declaration", "amendment", "arrival", "response"}
    for kind, number in kinds.items():
        count(f"valid {kind} messages accepted", number)


def test_every_invalid_message_is_refused_with_a_reason(
    published: list[Labelled], sets: dict[str, CompiledSet], count: Callable[..., None]
) -> None:
    invalid = [label for label in published if not label.valid]
    assert invalid
    for label in invalid:
        explanation = explain(label.path.name, label.path.read_bytes(), sets[label.schema_set], LIMITS)
        assert not explanation.valid, label.path.name
        assert explanation.violations, label.path.name
    count("invalid messages refused", len(invalid))


def test_the_verdict_on_mutants_is_the_official_one(
    mutants: list[Labelled], sets: dict[str, CompiledSet], count: Callable[..., None]
) -> None:
    others = []
    for label in mutants:
        explanation = explain(label.path.name, label.path.read_bytes(), sets[label.schema_set], LIMITS)
        if explanation.valid != label.valid:
            others.append(f"{label.path.name} ({label.operator}): ours {explanation.valid}, official {label.valid}")
    count("mutants judged", len(mutants))
    count("mutants with the official verdict", len(mutants) - len(others))
    print(*others, sep="\n")
    assert others == []


def test_the_fixed_form_of_every_valid_message_is_valid_and_stable(
    published: list[Labelled], sets: dict[str, CompiledSet], count: Callable[..., None]
) -> None:
    for label in published:
        if not label.valid:
            continue
        root = read(label.path.read_bytes(), LIMITS).root
        for text in root.xpath("//text()[../* and not(normalize-space())]/.."):
            text.text = None
            for child in text:
                child.tail = None
        written = serialise(root)
        again = read(written, LIMITS)
        validate(again, sets[label.schema_set])
        assert in_fixed_form(again), label.path.name
        assert serialise(copy.deepcopy(again.root)) == written
        count("valid messages written in fixed form and read again")


def test_no_explanation_quotes_a_value_of_a_real_message(
    published: list[Labelled], mutants: list[Labelled], sets: dict[str, CompiledSet], count: Callable[..., None]
) -> None:
    """Values of eight characters or more that are in the document must not be in what is said about it."""
    looked = 0
    for label in [*published, *mutants]:
        raw = label.path.read_bytes()
        explanation = explain("f", raw, sets[label.schema_set], LIMITS)
        if explanation.valid or explanation.violations[0].code.startswith("document."):
            continue
        said = " ".join(str(value) for one in explanation.violations for value in one.as_json().values())
        root = read_root(raw, LIMITS)
        values = {value.strip() for value in root.xpath("//text() | //@*")}
        quoted = [value for value in values if len(value) >= 8 and value in said]
        assert not quoted, label.path.name
        looked += len(explanation.violations)
    count("violations without a value", looked)
    assert looked > 50
