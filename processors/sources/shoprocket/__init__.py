"""Shoprocket's webhooks, in both published formats."""

from processors.sources.shoprocket.adapter import ADAPTER

__all__ = ["ADAPTER"]
