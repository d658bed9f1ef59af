"""What the tables say, why, and what follows from it."""
