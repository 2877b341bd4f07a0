"""The example policies over every valid real message: views, explanations and diffs that agree, and the independent
oracle with them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from gateway.document import in_fixed_form, read
from gateway.policy import apply_policy, explain, inspect
from gateway.policy.telling.diff import Mark, diff
from gateway.schema import validate
from tests.material.conftest import Labelled
from tests.unit.policy.grown import bare_schema, compiled_set
from tests.unit.policy.rules import POLICIES, PSEUDONYMS, example, example_judge
from tests.unit.schema.sets import LIMITS


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_every_valid_message_has_the_view_that_is_due(
    file: Path, published: list[Labelled], mutants: list[Labelled], count: Callable[..., None]
) -> None:
    how, oracle, pseudonyms = example(file.stem), example_judge(file.stem), PSEUDONYMS
    compiled, schema = compiled_set(how.schema_set), bare_schema(how.schema_set)
    labels = [label for label in (*published, *mutants) if label.valid and label.schema_set == how.schema_set]
    assert labels
    for label in labels:
        raw = label.path.read_bytes()
        document = validate(read(raw, LIMITS), compiled)
        view = apply_policy(document, how, compiled, pseudonyms=pseudonyms)
        schema.assertValid(etree.fromstring(view.xml))
        assert oracle.complaints(raw, view.xml) == [], label.path.name

        again = validate(read(view.xml, LIMITS), compiled)
        assert in_fixed_form(again.document, compiled.prefixes), label.path.name
        inspect(again, how)
        twice = apply_policy(again, how, compiled, pseudonyms=pseudonyms)
        assert (twice.xml, twice.changed, twice.withheld) == (view.xml, 0, 0), label.path.name

        lines = [line for line in explain(document, how, pseudonyms) if not line.is_empty]
        sides = diff(document, [how], compiled, pseudonyms)
        is_refused = oracle.refused_by(raw) is not None
        assert (sides.outcomes[0].code == "policy.not_permitted") is is_refused, label.path.name
        explained = (sum(line.kept for line in lines), sum(not line.kept for line in lines))
        shown = {mark: sides.count(mark) for mark in Mark}
        assert explained == (view.kept, view.withheld), label.path.name
        # What the policy requires of a whole message may refuse it; then nothing leaves, whatever the view would be.
        changed, kept = (0, 0) if is_refused else (view.changed, view.kept)
        withheld = len(lines) - kept
        assert shown == {Mark.CHANGED: changed, Mark.KEPT: kept - changed, Mark.WITHHELD: withheld}, label.path.name
        if is_refused:
            count(f"messages that {file.stem} does not permit, as the oracle says")
        for what, number in (("views", 1), ("values kept", view.kept), ("values changed", view.changed)):
            count(f"{what} under {file.stem}, as the oracle has them", number)
