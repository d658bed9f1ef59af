"""Whose data is held and since when: people, history, rebuilding."""
