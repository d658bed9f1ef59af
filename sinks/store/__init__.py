"""One batch of events into the tables, in one transaction."""
