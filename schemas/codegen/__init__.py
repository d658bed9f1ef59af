"""Generates Avro writers and readers as straight-line Python: see README.md."""
