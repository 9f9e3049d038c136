"""``celery worker`` on :mod:`tests.fakes.celery_app`. The ``celery`` command would first import all of Airdate, for its
plugin ``celery airdate``: two seconds of a processor for each worker of a test."""

from __future__ import annotations

import sys

from celery.bin.base import CLIContext
from celery.bin.worker import worker

from tests.fakes.celery_app import app

if __name__ == "__main__":
    worker.main(args=sys.argv[1:], prog_name="celery worker", obj=CLIContext(app=app, no_color=True, workdir=None))
