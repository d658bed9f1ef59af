"""Deliveries as they come: each with its verdict, its events and the rows that they changed."""
