"""Sinks: from events to rows."""
