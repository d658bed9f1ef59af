"""What our Kafka clients do otherwise than aiokafka."""
