"""Flower's configuration, which it reads from this file of the folder it is started in, or from FLOWER_CONF."""

from tornado.options import options

from operations.broker_page import show_queues
from operations.flower_guard import guard_flower
from operations.flower_login import flower_login
from operations.queue_depth import DepthReader
from settings import settings

# Whoever logs in by Flower's own ways (FLOWER_AUTH: Google, GitHub …; FLOWER_BASIC_AUTH) needs no login of ours.
basic_auth = options.basic_auth or ([] if options.auth else [flower_login().pair])
read_only = options.read_only or not settings().flower_write

reader = DepthReader.of_settings()
show_queues(reader.read, reader.where)
guard_flower(write=not read_only)
