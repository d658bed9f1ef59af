"""The outbox: sends each cart signal from PostgreSQL to its topic once."""
