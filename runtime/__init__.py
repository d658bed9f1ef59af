"""The floor that every stage stands on. Knows no platform and no table."""
