"""Imported and simulated history, and its truth."""
