"""Payloads of the five platforms, rendered from the facts of the simulated shops."""
