"""What the section on making an episode measures with."""
