"""No index of podcasts' next slots: discovery asks for ``claimable_at``, and each claim had to write to it."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Forward."""
    op.drop_index("ix_podcasts_next_episode_at", "podcasts")


def downgrade() -> None:
    """Back."""
    op.create_index("ix_podcasts_next_episode_at", "podcasts", ["next_episode_at"])
