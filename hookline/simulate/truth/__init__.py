"""What the tables must hold of the simulated shops, by rules of its own."""
