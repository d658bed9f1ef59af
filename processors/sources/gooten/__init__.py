"""Gooten's webhooks."""

from processors.sources.gooten.adapter import ADAPTER

__all__ = ["ADAPTER"]
