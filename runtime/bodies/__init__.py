"""Bodies of webhooks: inflated within bounds, JSON and XML made readable, XML as documents."""
