"""The process itself: its CPU limit, memory, secrets, private files, and connections that end."""
