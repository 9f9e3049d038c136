"""What Flower asks and refuses: a login for all it shows, and nothing is done unless that was chosen.

Imported by ``flowerconfig.py``, so by Flower's process alone. Flower's own ``read_only`` hides the buttons and
refuses; here each route of its API that acts is refused before it, with a line that says how that is changed.
What of Flower this leans on is pinned by tests/unit/test_flower_guard.py.
"""

from __future__ import annotations

from typing import Any

from flower.urls import handlers
from flower.views import BaseHandler
from flower.views.monitor import Metrics
from tornado.web import HTTPError, RequestHandler, authenticated, url

READ_ONLY = (
    "not done: this Flower only shows (AIRDATE_FLOWER_WRITE=true, where it runs, lets whoever logs in act). "
    "`airdate podcasts pause`, `episodes retry`, `process` and `dead-letters` do what is needed without it."
)
ACTING = ("post", "put", "patch", "delete")


def guard_flower(*, write: bool) -> None:
    """Have this process's Flower ask for its login before it shows metrics, and act only if ``write``.

    Call it before Flower starts. Pages and API ask by themselves once there is a login; ``/healthcheck`` asks
    nobody, and says nothing but that Flower answers.
    """
    # Tornado takes the first that matches; Flower's own stay behind ours, and keep their names.
    handlers[:0] = [
        url(r"/metrics", LockedMetrics),
        *([] if write else [url(pattern, Refused) for pattern in acting_routes()]),
    ]


def acting_routes() -> list[str]:
    """The patterns of Flower's API that change something: all that take more than a GET."""
    plain = [(rule.regex.pattern, rule.target) if hasattr(rule, "regex") else rule[:2] for rule in handlers]
    return [pattern for pattern, handler in plain if pattern.startswith("/api/") and _acts(handler)]


def _acts(handler: Any) -> bool:
    return any(getattr(handler, method) is not getattr(RequestHandler, method) for method in ACTING)


class LockedMetrics(Metrics):
    """``/metrics``, which tells names of workers and tasks: for those who may look at the pages too."""

    @authenticated
    async def get(self) -> None:
        """Show them."""
        await super().get()


class Refused(BaseHandler):
    """What would act."""

    @authenticated
    def post(self, *_: str) -> None:
        """Refuse, in a line."""
        raise HTTPError(403, READ_ONLY)

    def write_error(self, status_code: int, **how: Any) -> None:
        """For programs, as Flower's API answers; its pages would be HTML."""
        error = how["exc_info"][1] if "exc_info" in how else None
        if status_code == 403 and isinstance(error, HTTPError):  # noqa: PLR2004 - Forbidden
            self.set_header("Content-Type", "text/plain; charset=UTF-8")
            self.finish(f"{error.log_message}\n")
            return
        super().write_error(status_code, **how)
