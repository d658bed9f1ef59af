"""Sends simulated deliveries as real senders do, and keeps a journal of their answers."""
