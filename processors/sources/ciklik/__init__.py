"""Ciklik's webhooks."""

from processors.sources.ciklik.adapter import ADAPTER

__all__ = ["ADAPTER"]
