"""An SQS transport for kombu. Knows nothing of podcasts: it could be a library of its own.

Celery uses it when ``broker_transport`` is ``broker.transport:Transport``.
"""
