"""docs/audit.md is enough to verify a chain: its program is run here, and shares no code with the gateway."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.audit import AuditEntry, AuditEvent, export_lines, genesis, link

PAGE = Path(__file__).parents[3] / "docs" / "audit.md"


@pytest.fixture
def export() -> list[bytes]:
    head, records = genesis("GB-HMRC"), []
    for number in range(4):
        entry = AuditEntry(
            event=AuditEvent.TRANSFER_FAILED,
            at=datetime(2026, 3, 1, microsecond=number, tzinfo=UTC),
            actor="operator:Zoë",
            facts={"reason": 'a "quoted"\ttext', "attempt": number},
        )
        record, head = link(head, entry)
        records.append(record)
    return list(export_lines(records, start=genesis("GB-HMRC")))


def verdict_of(lines: list[bytes], folder: Path) -> tuple[int, str]:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    file = folder / "audit.jsonl"
    file.write_bytes(b"".join(lines))
    # -I: nothing of this project can be imported.
    run = subprocess.run([sys.executable, "-I", "-c", program, str(file)], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def test_the_program_in_the_docs_finds_our_export_intact(export: list[bytes], tmp_path: Path) -> None:
    code, said = verdict_of(export, tmp_path)
    assert (code, said.split()[:2]) == (0, ["intact:", "4"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b":1,", b":2,"), *lines[3:]], "record 2 does not hold"),
        (lambda lines: [*lines[:2], *lines[3:]], "record 2 does not hold"),
        (lambda lines: [*lines[:4], *lines[5:]], "the end does not fit"),
        (lambda lines: [lines[0].replace(b"GB-HMRC", b"FR-DGDDI"), *lines[1:]], "genesis"),
    ],
)
def test_the_program_in_the_docs_finds_a_change(export: list[bytes], tmp_path: Path, change: object, said: str) -> None:
    assert callable(change)
    code, heard = verdict_of(change(export), tmp_path)
    assert code == 1
    assert said in heard
