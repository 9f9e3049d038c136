"""How the tables came to be: Alembic revisions, run by ``podcasting.database.revisions.migrate``."""
