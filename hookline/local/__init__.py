"""The local stack: Kafka, schema registry and PostgreSQL on one machine, without Docker."""
