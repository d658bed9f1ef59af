"""Erased persons and rotated hashes: the ledger applied to the tables."""
