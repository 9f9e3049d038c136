"""How podcasts are produced, whether scripts were approved, and what providers cost each episode."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Forward."""
    # With a default of the server's: a release that does not know the column may add podcasts meanwhile.
    op.add_column("podcasts", sa.Column("production", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("episodes", sa.Column("approved_at", sa.DateTime(timezone=True)))
    op.create_table(
        "expenses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("episode_id", sa.String(100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stage", sa.String(30), nullable=False),
        sa.Column("provider", sa.String(200), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.Column("dollars", sa.Float()),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name="fk_expenses_episode_id_episodes"),
        sa.PrimaryKeyConstraint("id", name="pk_expenses"),
    )
    op.create_index("ix_expenses_episode_id", "expenses", ["episode_id"])
    op.create_index("ix_expenses_at", "expenses", ["at"])


def downgrade() -> None:
    """Back."""
    op.drop_table("expenses")
    op.drop_column("episodes", "approved_at")
    op.drop_column("podcasts", "production")
