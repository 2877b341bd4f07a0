"""The least line does what it is measured for: each message stored, receipted and handed over once, or no figures."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.benchmarks.least_line import open_least_line

FEW = 40
"""More than go together, so that the last request is a short one."""


async def test_every_message_is_stored_receipted_and_handed_over_once(tmp_path: Path) -> None:
    async with open_least_line(tmp_path) as line:
        run = await line.run(FEW)
    assert run.messages == FEW
    with closing(sqlite3.connect(tmp_path / "receiver.db")) as database:
        assert database.execute("SELECT count(*) FROM handed_over").fetchone() == (FEW,)
        database.execute("DELETE FROM handed_over WHERE id = 7")
        database.commit()
    with pytest.raises(RuntimeError, match="stored and handed over"):
        line.prove()
