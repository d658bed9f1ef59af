"""The journey of a delivery: from its receipt to the rows that it changed and their signals."""
