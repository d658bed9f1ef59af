"""Kafka, schema registry and PostgreSQL as child processes."""
