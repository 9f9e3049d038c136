"""The triggers that log each write of the pipeline as it happens, and what they logged beside what is left."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import psycopg
from psycopg.rows import dict_row

TRIGGERS = """
CREATE SCHEMA IF NOT EXISTS auditor;
CREATE TABLE IF NOT EXISTS auditor.writes (
    id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), episode_id text NOT NULL,
    what text NOT NULL, by_lease integer, current_lease integer, before text, after text
);
CREATE OR REPLACE FUNCTION auditor.stage_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO auditor.writes (episode_id, what, by_lease, current_lease)
    VALUES (NEW.episode_id, 'stage ' || NEW.name, NEW.lease_number,
            (SELECT lease_number FROM episodes WHERE id = NEW.episode_id));
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION auditor.history_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.lease_number IS NOT NULL THEN
        INSERT INTO auditor.writes (episode_id, what, by_lease, current_lease)
        VALUES (NEW.episode_id, 'event ' || NEW.event, NEW.lease_number,
                (SELECT lease_number FROM episodes WHERE id = NEW.episode_id));
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION auditor.status_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO auditor.writes (episode_id, what, current_lease, before, after)
    VALUES (NEW.id, 'status', NEW.lease_number, OLD.status, NEW.status);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER auditor_stages AFTER INSERT OR UPDATE ON stages
    FOR EACH ROW EXECUTE FUNCTION auditor.stage_written();
CREATE OR REPLACE TRIGGER auditor_history AFTER INSERT ON history
    FOR EACH ROW EXECUTE FUNCTION auditor.history_written();
CREATE OR REPLACE TRIGGER auditor_episodes AFTER UPDATE ON episodes
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.lease_number > NEW.lease_number)
    EXECUTE FUNCTION auditor.status_written();
"""


def install(url: str) -> None:
    """Put the auditor's triggers into a migrated PostgreSQL database. Doing it again changes nothing."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TRIGGERS)


class Tables:
    """What the database holds after a run."""

    def __init__(self, url: str) -> None:
        with psycopg.connect(url, row_factory=dict_row) as connection:
            self.episodes = connection.execute("SELECT * FROM episodes ORDER BY podcast_id, slot").fetchall()
            self.masters = {
                row["episode_id"]: row["output"]
                for row in connection.execute("SELECT episode_id, output FROM stages WHERE name = 'master'")
            }
            self.writes = connection.execute("SELECT * FROM auditor.writes ORDER BY id").fetchall()
        self.by_podcast: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.episodes:
            self.by_podcast[row["podcast_id"]].append(row)
