"""The example policies over every valid real message: a valid view, and an independent oracle that agrees."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.document import read
from gateway.policy import apply_policy, explain, inspect
from gateway.schema import validate
from tests.material.conftest import Labelled
from tests.oracle.oracle import judge_view
from tests.unit.policy.rules import POLICIES, example, places
from tests.unit.schema.sets import LIMITS, bundled


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_every_valid_message_has_a_view_that_the_oracle_accepts(
    file: Path, published: list[Labelled], mutants: list[Labelled], count: Callable[..., None]
) -> None:
    how = example(file.stem)
    compiled = bundled(how.schema_set)
    labels = [label for label in (*published, *mutants) if label.valid and label.schema_set == how.schema_set]
    assert labels
    complaints: dict[str, list[str]] = {}
    for label in labels:
        raw = label.path.read_bytes()
        document = validate(read(raw, LIMITS), compiled)
        view = apply_policy(document, how, compiled)
        found = judge_view(raw, file.read_bytes(), view.xml, places(how.schema_set))
        if found:
            complaints[label.path.name] = found
        again = validate(read(view.xml, LIMITS), compiled)
        inspect(again, how)
        assert apply_policy(again, how, compiled).xml == view.xml, label.path.name
        lines = [line for line in explain(document, how) if not line.is_empty]
        assert sum(line.kept for line in lines) == view.kept, label.path.name
        assert len(lines) == view.kept + view.withheld, label.path.name
        count(f"views under {file.stem} accepted by the oracle")
    assert complaints == {}
