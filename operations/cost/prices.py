"""What AWS asks for what Airdate uses."""

from __future__ import annotations

from dataclasses import dataclass

HOURS_A_MONTH = 730
SECONDS_A_MONTH = 2_592_000
"""Thirty days."""


@dataclass(frozen=True)
class Prices:
    """US dollars, on demand, without discounts, in ``us-east-1``.

    Sources: the AWS pricing pages of SQS, SNS, S3 and Fargate (Linux on x86), as publicly quoted in
    March–June 2026. They differ by region and change: each is an option of ``airdate cost``.
    """

    sqs_per_million: float = 0.40
    """Standard queues, the first 100 thousand million requests a month."""
    sqs_fair_per_million: float = 0.10
    """On top, for requests about messages that carry a MessageGroupId (fair queues)."""
    sqs_free: float = 1_000_000
    """Requests a month, of the whole account."""
    sns_per_million: float = 0.50
    """Publishes to a standard topic; what it delivers to SQS is free."""
    sns_free: float = 1_000_000
    s3_writes_per_thousand: float = 0.005
    """PUT, S3 Standard."""
    s3_reads_per_thousand: float = 0.0004
    """GET and HEAD."""
    s3_gb_month: float = 0.023
    """The first 50 TB."""
    vcpu_hour: float = 0.04048
    gb_hour: float = 0.004445
    """Of a Fargate task's memory."""

    def sqs(self, requests: float, fair: float, *, used_elsewhere: float = 0) -> float:
        """Dollars a month for ``requests``, of which ``fair`` are about messages of a group."""
        free = max(0.0, self.sqs_free - used_elsewhere)
        return (max(0.0, requests - free) * self.sqs_per_million + fair * self.sqs_fair_per_million) / 1e6

    def sns(self, publishes: float) -> float:
        """Dollars a month for billed ``publishes``."""
        return max(0.0, publishes - self.sns_free) * self.sns_per_million / 1e6

    def s3(self, *, writes: float = 0, reads: float = 0, gb_stored: float = 0) -> float:
        """Dollars a month."""
        return (
            writes / 1000 * self.s3_writes_per_thousand
            + reads / 1000 * self.s3_reads_per_thousand
            + gb_stored * self.s3_gb_month
        )

    def fargate(self, *, vcpu_hours: float, gb_hours: float) -> float:
        """Dollars for so much compute."""
        return vcpu_hours * self.vcpu_hour + gb_hours * self.gb_hour
