"""Notices: what listeners are to be told of, one row for each event and target."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "notices",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("podcast_id", sa.String(100), nullable=False),
        sa.Column("episode_id", sa.String(100), nullable=False),
        sa.Column("occasion", sa.String(20), nullable=False),
        sa.Column("target", sa.String(200), nullable=False),
        sa.Column("event", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text()),
        sa.ForeignKeyConstraint(["podcast_id"], ["podcasts.id"], name="fk_notices_podcast_id_podcasts"),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name="fk_notices_episode_id_episodes"),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    op.create_index("ix_notices_due_at", "notices", ["due_at"])
    op.create_index("ix_notices_settled_at", "notices", ["settled_at"])
    op.create_index("ix_notices_episode_id", "notices", ["episode_id"])


def downgrade() -> None:
    """Back."""
    op.drop_table("notices")
