"""Up to which time the tables are complete, and what becomes due by then."""
