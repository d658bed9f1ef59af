"""What became of deliveries: journeys, topics, dead letters, the audit."""
