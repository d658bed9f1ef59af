"""One rule of the code that can be broken."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``says``: what goes wrong without it. ``catchers``: arguments for pytest."""

    name: str
    says: str
    path: str
    line: str
    broken: str
    catchers: tuple[str, ...]
