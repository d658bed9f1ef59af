"""Cart signals: from the outbox in PostgreSQL to their topic, once each."""
