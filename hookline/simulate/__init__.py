"""Simulated shops with a known truth: world, payloads, sending, truth.

Imports nothing of ``processors`` or ``sinks``: what the tables must hold is computed by rules of
its own, so that an error of the pipeline cannot repeat itself here.
"""
