"""Run by Alembic: the connection, already inside a transaction, comes from `gateway.storage.migrate`.

For writing a new version: `alembic` needs no configuration file of ours; see docs/storage.md.
"""

from alembic import context

from gateway.storage.tables import metadata

connection = context.config.attributes["connection"]
# The caller's transaction is the only one: Alembic must neither begin nor commit.
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
