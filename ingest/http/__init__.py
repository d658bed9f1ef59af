"""The HTTP edge: bounded requests, deadlines, limits and responses."""
