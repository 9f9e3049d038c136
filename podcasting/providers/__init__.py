"""The outside world behind ports: each package states its port, with an embedded default beside it."""
