"""Each failpoint stands at one place of the source and in the docs."""

import re
from collections import Counter

from gateway.domain.failpoint import Failpoint
from tests.law.source import ROOT, modules

PASSED = re.compile(r"(?<![\w.])(?:\w+\.)*_?reach\(\s*Failpoint\.(\w+)\s*\)")


def test_each_point_is_passed_at_one_place() -> None:
    passed = Counter(name for module in modules() for name in PASSED.findall(module.text))
    assert passed == dict.fromkeys(Failpoint.__members__, 1)


def test_a_point_is_named_nowhere_else() -> None:
    named = [name for module in modules() for name in re.findall(r"\bFailpoint\.([A-Z_]+)", module.text)]
    assert len(named) == len(Failpoint)


def test_each_point_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    cells = {name for row in re.findall(r"(?m)^\| ([SR]\d[^|]*) \|", page) for name in row.split(", ")}
    assert cells == set(Failpoint)
