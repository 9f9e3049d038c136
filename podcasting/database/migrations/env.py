"""Alembic's entry: runs the revisions on the connection that ``migrate`` hands over, in its transaction."""

from alembic import context

from podcasting.database.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
