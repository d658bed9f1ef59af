"""Reads topics for commands: record counts, decoded records, parts of logs with progress."""
