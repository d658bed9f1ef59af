"""The channels, what a message looks like in each, and what waits for them."""
