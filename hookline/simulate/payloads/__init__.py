"""Payloads of the five platforms, rendered from the facts of the simulated shops."""

from hookline.simulate.payloads.payload import Payload
from hookline.simulate.payloads.rendering import render

__all__ = ["Payload", "render"]
