"""The demo: scripted webhooks on a temporary stack, and the rows they must give."""
