"""Simulated shops through the product's pure rules, and the product with a mistake planted."""
