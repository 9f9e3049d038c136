"""The group ``airdate dead-letters``, with all its commands."""

from operations.dead_letters import mending, redrive_command
from operations.dead_letters.commands import dead_letters

__all__ = ["COMMANDS", "mending", "redrive_command"]  # importing them adds their commands to the group

COMMANDS = (dead_letters,)
