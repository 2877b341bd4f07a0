"""Bring the tables of a database to the version of this program, with Alembic, from the migrations beside this file.

A version is never edited once released: what it makes is compared with `tables.py` by a test, and a change of a table
is a new file. There is no way down; a newer database is refused.
"""

from typing import Final

from sqlalchemy import Connection, inspect, text

from gateway.errors import StorageError

HEAD: Final = "0001"
"""The version this program works with."""


def version_of(connection: Connection) -> str | None:
    """Return the version of the tables, or None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def upgrade(connection: Connection) -> None:
    """Upgrade within the transaction that is open on `connection`; the caller commits.

    Raises StorageError `storage.schema_version` for a version that this program does not know.
    """
    found = version_of(connection)
    if found == HEAD:
        return
    # Alembic takes longer to import than most starts need it for.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "gateway.storage:migrations")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StorageError(
            "storage.schema_version",
            f"The database has version {found}, this program knows versions up to {HEAD}. Use the newer program",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
