"""Shoprocket's webhooks, in both formats."""

from processors.sources.shoprocket.adapter import ADAPTER

__all__ = ["ADAPTER"]
