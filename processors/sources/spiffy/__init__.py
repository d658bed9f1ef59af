"""Spiffy Stores' webhooks, in JSON and XML."""

from processors.sources.spiffy.adapter import ADAPTER

__all__ = ["ADAPTER"]
