"""A plan as docs/performance.md shows it: what PostgreSQL does, without what differs from run to run."""

from __future__ import annotations

from bench.discovery.due_query import shape

PLAN = """\
Update on episodes  (cost=493.72..1497.77 rows=500 width=260) (actual time=2.753..17.377 rows=500.00 loops=1)
  Buffers: shared hit=9261 dirtied=10 written=13
  CTE due
    ->  Limit  (cost=0.29..477.47 rows=500 width=46) (actual time=0.022..0.403 rows=500.00 loops=1)
          Buffers: shared hit=978
          ->  Index Scan using ix_due on episodes  (cost=0.29..25.57 rows=26 width=46) (never executed)
                Index Cond: (claimable_at <= '2026-11-25 21:00:00+00'::timestamp with time zone)
                Index Searches: 1
        ->  Index Scan using pk_episodes on episodes  (cost=0.42..8.25 rows=1 width=42) (actual time=0.0..0.0 rows=1.00 loops=500)
Planning Time: 0.528 ms
Execution Time: 17.450 ms""".splitlines()  # noqa: E501 - as PostgreSQL says it


def test_a_plans_shape_has_its_steps_and_rows_and_none_of_its_times() -> None:
    assert shape(PLAN).splitlines() == [
        "Update on episodes (rows 500 × 1)",
        "  CTE due",
        "    ->  Limit (rows 500 × 1)",
        "          ->  Index Scan using ix_due on episodes (never executed)",
        "                Index Cond: (claimable_at <= now)",
        "        ->  Index Scan using pk_episodes on episodes (rows 1 × 500)",
    ]
