"""The process itself: CPU limit, malloc and garbage collector settings."""
