"""Patterns on the command line: ``*`` stands for any part, everything else for itself."""

import re


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text is as the pattern."""
    if "*" not in pattern:
        return pattern == text
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def matches_shop(pattern: str, shop: str) -> bool:
    """Whether ``platform/shop`` is as the pattern, with or without its platform."""
    return matches(pattern, shop) or matches(pattern, shop.partition("/")[2])
