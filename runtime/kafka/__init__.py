"""Kafka clients: log reader, producer, topic administration and checks.

Whatever reads Kafka imports this package first, and then reads header names that are not UTF-8.
"""

from runtime.kafka import record_batches

record_batches.install()
