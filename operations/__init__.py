"""The ``airdate`` command: for people, from the shell."""
