"""Whether a plugin is what its contract says, on the path that production takes."""
