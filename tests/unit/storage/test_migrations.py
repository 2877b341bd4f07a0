"""The migrations make exactly the tables that the program works with, and are part of the package."""

import sqlite3
from importlib import resources
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from gateway.storage import migrate
from gateway.storage.sqlite.files import own_file
from gateway.storage.sqlite.store import prepare_file
from gateway.storage.tables import metadata


def schema(path: Path) -> dict[str, str]:
    with sqlite3.connect(path) as raw:
        rows = raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type <> 'trigger'").fetchall()
    raw.close()
    return {name: _clauses(sql) for name, sql in rows if not name.startswith("alembic")}


def _clauses(sql: str) -> str:
    """The order of a table's constraints carries no meaning, and Alembic has its own."""
    return "\n".join(sorted(line.strip().rstrip(",") for line in sql.replace("\t", "").splitlines()))


def test_a_migrated_database_is_what_the_tables_say(tmp_path: Path) -> None:
    migrated, made = tmp_path / "migrated.db", tmp_path / "made.db"
    own_file(migrated)
    prepare_file(migrated)
    engine = create_engine(f"sqlite:///{made}")
    metadata.create_all(engine)
    engine.dispose()
    assert schema(migrated) == schema(made)
    assert len(schema(migrated)) > 40


def test_every_table_is_strict(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    own_file(path)
    prepare_file(path)
    with sqlite3.connect(path) as raw:
        listed = raw.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
        loose = {name for name, strict in listed if not strict and not name.startswith("sqlite_")}
    raw.close()
    assert loose == {"alembic_version"}


def test_the_version_of_the_program_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "gateway.storage:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [migrate.HEAD]
    assert (resources.files("gateway.storage") / "migrations" / "env.py").is_file()


def test_preparing_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    own_file(path)
    prepare_file(path)
    before = path.read_bytes()
    prepare_file(path)
    assert path.read_bytes() == before
