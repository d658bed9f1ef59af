"""Patterns on the command line: ``*`` stands for any part, everything else for itself."""


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text is as the pattern."""
    first, *others = pattern.split("*")
    if not others:
        return pattern == text
    *middle, last = others
    end = len(text) - len(last)
    if end < len(first) or not text.startswith(first) or not text.endswith(last):
        return False
    at = len(first)
    for part in middle:  # the leftmost is as good as any: a regular expression would try them all
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def matches_shop(pattern: str, shop: str) -> bool:
    """Whether ``platform/shop`` is as the pattern, with or without its platform."""
    return matches(pattern, shop) or matches(pattern, shop.partition("/")[2])
