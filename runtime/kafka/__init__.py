"""Kafka clients: log reader, producer, topic administration and checks.

Whatever talks to Kafka imports this package first; its clients then read header names that are not
UTF-8, and survive a connection that closes while they write to it.
"""

from runtime.kafka.client import closed_connections, record_batches

record_batches.install()
closed_connections.install()
