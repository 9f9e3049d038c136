"""What happened in a window of time, drawn from the database: ``airdate report``."""
