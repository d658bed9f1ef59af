"""Scripted histories: events with times in, rows out. ``history.py`` says how they are written."""
