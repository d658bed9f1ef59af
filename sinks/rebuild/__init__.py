"""Rebuilds the tables from the log, beside the live ones, and swaps them in."""
