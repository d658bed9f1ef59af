"""The side of the consumer that talks to Kafka: its thread, its requests and what they fetch."""
