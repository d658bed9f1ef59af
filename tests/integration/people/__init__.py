"""Persons: contacts, keys, erasure."""
