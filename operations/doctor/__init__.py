"""``airdate doctor``: settings against reality and each other, and what to do about what is wrong."""
