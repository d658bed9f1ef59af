"""Capacity planning from measured figures."""
