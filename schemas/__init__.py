"""Contracts: all that crosses a boundary. No I/O but reading its own files."""
