"""Accepted = canonical + duplicates + dead letters, counted from the logs."""
