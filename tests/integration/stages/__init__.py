"""Ingress and processors: from a delivery to its events."""
