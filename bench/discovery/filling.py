"""A database filled with as many podcasts and episodes as asked for, and made due at will."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from bench.discovery.checking import require
from podcasting.database import Database
from podcasting.database.revisions import migrate
from tests.fakes.postgres import Postgres

EPISODES_EACH = 10
"""A weekly podcast's, of ten weeks."""

SERVER = {"synchronous_commit": "off", "max_wal_size": "'8GB'", "maintenance_work_mem": "'512MB'"}
"""So that millions of rows are soon there; what is measured feels only the first, and all sizes alike."""

PODCASTS = """
    INSERT INTO podcasts (id, title, description, author, owner, language, sources, hosts, frequency_days, state,
                          first_slot, next_episode_at, latest_episode_at, version, created_at, claimable_at,
                          claim_count)
    SELECT pg_temp.podcast(n), 'Show ' || n, 'What happened, told by two.', 'Airdate', 'owner-' || mod(n, 1000), 'en',
           '["https://example.org/feed.xml"]', '["Ada", "Ben"]', 7, 'active',
           now() - interval '71 days', later, now() - interval '1 day', 10, now() - interval '72 days', later, 0
    FROM generate_series(%(after)s + 1, %(until)s) n,
         LATERAL (SELECT now() + interval '2 days' + n * interval '0.3 s' later) _
"""
EPISODES = """
    INSERT INTO episodes (id, podcast_id, slot, number, status, title, attempts, released_at, created_at, updated_at,
                          lease_number, claim_count)
    SELECT pg_temp.episode(n, number), pg_temp.podcast(n), slot, number, 'published', 'What show ' || n || ' told', 0,
           slot, slot, slot, 1, 0
    FROM generate_series(1, %(each)s) number,
         LATERAL (SELECT date_trunc('day', now()) - (%(each)s - number) * interval '7 days' slot) _,
         generate_series(%(after)s + 1, %(until)s) n
"""
UNDER_WAY = """
    UPDATE episodes
    SET status = 'script_ready', released_at = NULL, lease_holder = 'a worker', claimable_at = now() + interval '2 days'
    WHERE id IN (SELECT pg_temp.episode(n, %(each)s) FROM generate_series(%(after)s + 1, %(until)s, 100) n)
"""
DUE_EPISODES = """
    UPDATE episodes
    SET status = CASE WHEN random() < 0.1 THEN 'script_ready' ELSE 'completed' END, released_at = NULL,
        claimable_at = now() - interval '1 minute' - random() * interval '1 hour', claim_count = 0
    WHERE id IN (SELECT pg_temp.episode(n, %(each)s - 1)
                 FROM generate_series(1, %(due)s) n)
"""
ENDED_EPISODES = """
    UPDATE episodes SET status = 'published', claimable_at = NULL, claim_count = 0
    WHERE claimable_at IS NOT NULL AND lease_holder IS NULL
"""
DUE_PODCASTS = """
    UPDATE podcasts SET next_episode_at = due, claimable_at = due, claim_count = 0
    FROM (SELECT pg_temp.podcast(1 + n * (%(podcasts)s / %(due)s)) AS one,
                 now() - interval '1 minute' - random() * interval '1 hour' AS due
          FROM generate_series(0, %(due)s - 1) n) _
    WHERE id = one
"""
WAITING_PODCASTS = """
    UPDATE podcasts SET next_episode_at = now() + interval '2 days', claimable_at = now() + interval '2 days',
                        claim_count = 0
    WHERE claim_count > 0 OR claimable_at <= now()
"""
FUNCTIONS = """
    CREATE FUNCTION pg_temp.podcast(n int) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT 'show-' || left(md5(n::text), 6) || '-' || n $$;
    CREATE FUNCTION pg_temp.episode(n int, number int) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT pg_temp.podcast(n) || '-2026t' || number $$
"""
"""Ids that are not in the order of the table, as titles are not: what is due lies anywhere in the index of ids."""
CONSTRAINTS = """
    SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype IN ('p', 'u', 'f') AND (conrelid IN ('podcasts'::regclass, 'episodes'::regclass)
                                          OR confrelid IN ('podcasts'::regclass, 'episodes'::regclass))
    ORDER BY contype = 'f'
"""


class Filled:
    """A database of its own on a server; most of its episodes are published."""

    def __init__(self, server: Postgres, name: str) -> None:
        with psycopg.connect(server.uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        self.url = server.uri.replace("/postgres?", f"/{name}?")
        self.podcasts = 0
        self.database = Database.at(self.url)
        migrate(self.database.engine)
        self._connection = psycopg.connect(self.url, autocommit=True)
        self._connection.execute(FUNCTIONS)

    def grow(self, episodes: int) -> None:
        """To so many episodes, and a tenth as many podcasts."""
        values = {"after": self.podcasts, "until": episodes // EPISODES_EACH, "each": EPISODES_EACH}
        with _in_bulk(self._connection):
            self._connection.execute(PODCASTS, values)
            self._connection.execute(EPISODES, values)
        self._connection.execute(UNDER_WAY, values)
        self.vacuum()
        self.podcasts = values["until"]

    def make_due(self, table: str, due: int) -> None:
        """Exactly so many, for a minute or longer: a statement is measured that was told the time before this.

        Episodes opened one after the other, as those are that wait; podcasts of any age.
        """
        self.settle(table)
        values = {"due": due, "podcasts": self.podcasts, "each": EPISODES_EACH}
        statement = DUE_PODCASTS if table == "podcasts" else DUE_EPISODES
        changed = self._connection.execute(statement, values).rowcount
        require(changed == due, f"{changed} of {due} {table} were made due")

    def settle(self, table: str) -> None:
        """Nothing due, nothing claimed."""
        self._connection.execute(WAITING_PODCASTS if table == "podcasts" else ENDED_EPISODES)

    def vacuum(self) -> None:
        """As PostgreSQL does by itself, in time."""
        self._connection.execute("VACUUM ANALYZE podcasts, episodes")

    def claimed_once(self, table: str) -> int:
        """How many rows were claimed once, and none more often.

        Raises:
            Wrong: a row was claimed twice.
        """
        query = f"SELECT count(*), coalesce(max(claim_count), 0) FROM {table} WHERE claim_count > 0"  # noqa: S608 - one of two names
        count, most = self.ask(query)[0]
        require(most <= 1, f"a row of {table} was claimed {most} times")
        return int(count)

    def ask(self, query: Any, values: Any = None) -> list[Any]:
        """The rows a query gives."""
        return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Close its connections."""
        self._connection.close()
        self.database.engine.dispose()


def tune(server: Postgres) -> None:
    """Set ``SERVER``."""
    with psycopg.connect(server.uri, autocommit=True) as connection:
        for name, value in SERVER.items():
            connection.execute(f"ALTER SYSTEM SET {name} = {value}")
        connection.execute("SELECT pg_reload_conf()")


@contextmanager
def _in_bulk(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Without indexes and constraints on podcasts and episodes, which are made again afterwards."""
    constraints = connection.execute(CONSTRAINTS).fetchall()
    for table, name, _ in reversed(constraints):
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    indexes = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('podcasts', 'episodes')"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    yield
    for table, name, definition in constraints:
        connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for _, definition in indexes:
        connection.execute(definition)
