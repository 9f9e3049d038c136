"""Sound: clips and music, how they are mixed, mastered, encoded and measured. Built on PyAV (FFmpeg) and NumPy."""
