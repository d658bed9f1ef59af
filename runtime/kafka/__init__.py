"""Kafka clients: log reader, producer, topic administration and checks."""
