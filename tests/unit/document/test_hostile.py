"""Hostile documents of every kind are refused with a stable code, within a tenth of a second, and nothing is opened."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.document.hostile import KINDS
from tests.unit.document.messages import LIMITS
from tests.unit.document.watched import CONTROL

MAX_SECONDS = 0.1


@pytest.fixture(scope="module")
def verdicts() -> Mapping[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.document.watched"], stdout=subprocess.PIPE, check=True, timeout=300
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["name"]: line for line in lines}


@pytest.mark.parametrize(("name", "code"), [(name, code) for name, (_, code) in KINDS.items()], ids=KINDS)
def test_it_is_refused_in_time_and_opens_nothing(name: str, code: str, verdicts: Mapping[str, dict[str, Any]]) -> None:
    verdict = verdicts[name]
    assert verdict["code"] == code
    assert verdict["events"] == []
    assert verdict["seconds"] < MAX_SECONDS, f"{name} took {verdict['seconds']:.3f} s of CPU"


def test_the_watch_sees_a_file_that_is_opened(verdicts: Mapping[str, dict[str, Any]]) -> None:
    assert "open" in verdicts[CONTROL]["events"]


def test_no_document_is_refused_for_its_size_alone_where_another_limit_is_meant() -> None:
    assert all(len(make()) <= LIMITS.size_bytes for name, (make, _) in KINDS.items() if "size limit" not in name)
