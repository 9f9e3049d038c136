"""Flower's configuration, which it reads from this file of the folder it is started in, or from FLOWER_CONF."""

from operations.broker_page import show_queues
from operations.queue_depth import DepthReader

reader = DepthReader.of_settings()
show_queues(reader.read, reader.where)
