"""Canonical topics in, tables out (Faust, PostgreSQL)."""
