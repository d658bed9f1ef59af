"""Broken set-ups on a stack of their own, and what Hookline says of each."""
