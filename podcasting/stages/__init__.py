"""What is done to make and publish an episode: one module a stage.

A stage is a function from an input and ports to an output. It may run twice with the same result;
what it makes is stored under a key that holds the hash of what went in, so a second run finds the
work of the first.
"""
