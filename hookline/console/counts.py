"""A count with its noun: 1 letter, 2 letters, 12,345 letters."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a count and its noun. ``plural``: where it is not the noun and an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
