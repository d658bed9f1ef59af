"""Who may do what in Kafka: one table, printed for the tools that grant it."""
