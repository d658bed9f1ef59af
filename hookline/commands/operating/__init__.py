"""What operators run: the stack, its stages, rights, keys, pages and messages."""
