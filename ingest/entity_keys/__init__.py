"""Reads the event name and the entity of a delivery from its body, as cheaply as possible."""
