"""Per-field last writer wins, by version."""
