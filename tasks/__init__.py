"""The Celery application: ``celery -A tasks worker``, ``celery -A tasks beat``, ``celery -A tasks shell``."""

import os
from pathlib import Path

from celery import Celery
from celery.signals import beat_init, celeryd_after_setup, setup_logging, worker_process_init, worker_ready

from tasks import logs, memory, presence, protection, shutdown, telemetry
from tasks.readiness import before_consuming

# Whoever starts Flower, and in whichever folder: it asks for a login. It would not look for this file elsewhere.
os.environ.setdefault("FLOWER_CONF", str(Path(__file__).parent.parent / "flowerconfig.py"))

app = Celery("airdate", include=["tasks.discovery", "tasks.podcasts", "tasks.episodes", "tasks.notices"])
app.config_from_object("celeryconfig")
setup_logging.connect(logs.configure)
telemetry.connect()
celeryd_after_setup.connect(shutdown.bound_shutdown)
celeryd_after_setup.connect(protection.protected)
celeryd_after_setup.connect(before_consuming)
worker_process_init.connect(memory.one_heap)
worker_ready.connect(presence.worker_began)
beat_init.connect(presence.beat_began)
