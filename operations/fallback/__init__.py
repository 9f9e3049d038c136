"""Fallback: the due work done straight from the database while SQS can't be reached."""
