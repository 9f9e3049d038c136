"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "podcasts",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("hosts", sa.JSON(), nullable=False),
        sa.Column("frequency_days", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("first_slot", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_episode_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("latest_episode_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimable_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claim_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_podcasts")),
    )
    with op.batch_alter_table("podcasts", schema=None) as batch_op:
        batch_op.create_index("ix_podcasts_claimable_at", ["claimable_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_podcasts_next_episode_at"), ["next_episode_at"], unique=False)

    op.create_table(
        "episodes",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("podcast_id", sa.String(length=100), nullable=False),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failure_stage", sa.String(length=30), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_number", sa.Integer(), nullable=False),
        sa.Column("lease_holder", sa.Text(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimable_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claim_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["podcast_id"], ["podcasts.id"], name=op.f("fk_episodes_podcast_id_podcasts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_episodes")),
        sa.UniqueConstraint("podcast_id", "slot", name=op.f("uq_episodes_podcast_id_slot")),
    )
    with op.batch_alter_table("episodes", schema=None) as batch_op:
        batch_op.create_index("ix_episodes_claimable_at", ["claimable_at"], unique=False)

    op.create_table(
        "source_validators",
        sa.Column("podcast_id", sa.String(length=100), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["podcast_id"], ["podcasts.id"], name=op.f("fk_source_validators_podcast_id_podcasts")),
        sa.PrimaryKeyConstraint("podcast_id", "source", name=op.f("pk_source_validators")),
    )
    op.create_table(
        "seen_entries",
        sa.Column("podcast_id", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name=op.f("fk_seen_entries_episode_id_episodes")),
        sa.ForeignKeyConstraint(["podcast_id"], ["podcasts.id"], name=op.f("fk_seen_entries_podcast_id_podcasts")),
        sa.PrimaryKeyConstraint("podcast_id", "key", name=op.f("pk_seen_entries")),
    )
    with op.batch_alter_table("seen_entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_seen_entries_episode_id"), ["episode_id"], unique=False)

    op.create_table(
        "stages",
        sa.Column("episode_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("output", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name=op.f("fk_stages_episode_id_episodes")),
        sa.PrimaryKeyConstraint("episode_id", "name", name=op.f("pk_stages")),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("stages")
    with op.batch_alter_table("seen_entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_seen_entries_episode_id"))

    op.drop_table("seen_entries")
    op.drop_table("source_validators")
    with op.batch_alter_table("episodes", schema=None) as batch_op:
        batch_op.drop_index("ix_episodes_claimable_at")

    op.drop_table("episodes")
    with op.batch_alter_table("podcasts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_podcasts_next_episode_at"))
        batch_op.drop_index("ix_podcasts_claimable_at")

    op.drop_table("podcasts")
