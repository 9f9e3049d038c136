"""``airdate status``: how all of it stands, on one screen, to people and to programs."""
