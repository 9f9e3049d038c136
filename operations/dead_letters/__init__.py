"""Dead letters: looked at, redriven, edited, dropped and exported, so that nothing is lost on the way."""
