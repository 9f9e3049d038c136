"""The domain: what a podcast is, what is due, how an episode is made. Knows no Celery and no queue."""
