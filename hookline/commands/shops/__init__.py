"""Shops, real and simulated, and what they send."""
