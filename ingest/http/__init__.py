"""HTTP: bounded requests, deadlines, limits and responses."""
