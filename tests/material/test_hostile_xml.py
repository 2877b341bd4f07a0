"""The public suites of hostile XML: everything is refused, fast, and nothing is opened or fetched."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.unit.document.watched import CONTROL

MAX_SECONDS = 0.1


def test_every_hostile_file_is_refused_within_a_tenth_of_a_second(material: Path, count: Callable[..., None]) -> None:
    files = sorted(str(path) for path in (material / "suites/xml").rglob("*") if path.is_file())
    assert files
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.document.watched", *files], stdout=subprocess.PIPE, check=True, timeout=300
    )
    verdicts = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert "open" in verdicts.pop(CONTROL)["events"]
    assert list(verdicts) == files
    codes = Counter[str]()
    for path, verdict in verdicts.items():
        assert verdict["door"], f"{path} was accepted"
        assert verdict["code"], f"{path} was accepted by the set"
        assert verdict["events"] == [], path
        assert verdict["seconds"] < MAX_SECONDS, f"{path} took {verdict['seconds']:.3f} s of CPU"
        codes[verdict["door"]] += 1
    for code, number in sorted(codes.items()):
        count(f"hostile XML files refused with {code}", number)
