"""Hostile requests and their results: each test is a row of docs/security.md."""
