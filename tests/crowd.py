"""A store in which very many transfers wait: copies of one that is there, made by SQL, each alone in its conversation.

Copies are due one microsecond after each other, so a claim takes them in the order of their numbers. Only the first
`with_payload` of them have a payload: enough for what a test claims.
"""

import sqlite3
from typing import Final

from gateway.storage.tables import transfer

_OWN: Final = {
    "id": "printf('{name}-0000-7000-8000-%012x', n.i)",
    "message_id": "printf('{name}-0000-7000-8000-%012x', n.i)",
    "conversation": "printf('{name}-0000-4000-8000-%012x', n.i)",
    "next_attempt_at": "next_attempt_at + n.i",
}
_NUMBERS: Final = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {number})"


def copy_queued(raw: sqlite3.Connection, number: int, *, name: str = "crowd000", with_payload: int = 256) -> None:
    """Have `number` copies of a queued transfer wait beside it. `name`: eight characters, another one each time.

    Raises ValueError when none is queued.
    """
    found = raw.execute("SELECT id FROM transfer WHERE state = 'QUEUED' AND head = 1 LIMIT 1").fetchone()
    if found is None:
        raise ValueError("no queued transfer to copy")
    columns = [column.name for column in transfer.columns]
    values = [_OWN.get(column, f'"{column}"').format(name=name) for column in columns]
    raw.execute(
        f"{_NUMBERS.format(number=number)} INSERT INTO transfer ({', '.join(columns)}) "
        f"SELECT {', '.join(values)} FROM n, transfer WHERE id = ?",
        (found[0],),
    )
    raw.execute(
        f"{_NUMBERS.format(number=min(number, with_payload))} INSERT INTO payload (transfer_id, sealed) "
        f"SELECT {_OWN['id'].format(name=name)}, sealed FROM n, payload WHERE transfer_id = ?",
        (found[0],),
    )
