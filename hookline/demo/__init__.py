"""The demo: scripted webhooks on a temporary stack, and the rows expected from them."""
