"""What is due, and sending it: one message per podcast or episode, only for what was claimed."""
