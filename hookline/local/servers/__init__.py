"""The real Kafka, registry and PostgreSQL of the local stack."""
