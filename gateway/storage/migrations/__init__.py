"""Alembic's folder: `env.py` is run by `gateway.storage.migrate`, and each file under `versions` is one step."""
