"""What CI asks of the repository itself: no dependency with a known vulnerability, no secret in a file.

``python -m audit`` (``make audit``) runs both. Nothing here is part of what is installed.
"""
