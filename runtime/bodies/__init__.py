"""Bodies of webhooks as bytes: inflated within bounds, and JSON made readable."""
