"""Durable state of a node: tables, migrations, and the store over them. Stores opaque sealed bytes.

The way of a change: `store` gives it to `writer`, which runs it with others in one transaction (group commit). The
rules stand in the file named after the rows (`submissions`, `transfers`, `receiving`, `hand_overs`, …). What they need
of an engine is `engine.Connection`, and `sqlite/` is the one there is. docs/storage.md tells more.
"""

from gateway.storage.sqlite.store import SqliteStore, database_chains, database_records, verify_database

__all__ = ["SqliteStore", "database_chains", "database_records", "verify_database"]
