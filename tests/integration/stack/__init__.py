"""The stack: its servers, its start, its end, its rights."""
