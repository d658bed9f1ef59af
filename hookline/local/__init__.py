"""One machine, real parts: Kafka, registry and PostgreSQL without Docker."""
