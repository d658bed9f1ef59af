"""The workers of the consumer groups, on whichever machine, and how far they are behind."""
