"""How many deliveries became dead letters: what is missing from the tables."""
