"""Whose a podcast is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Forward."""
    op.add_column("podcasts", sa.Column("owner", sa.String(length=128), nullable=True))


def downgrade() -> None:
    """Back."""
    # Not as a batch: it would make the table anew, and episodes point to it.
    op.drop_column("podcasts", "owner")
