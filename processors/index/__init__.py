"""The dedupe index of a partition: recovered from its outcome topics."""
