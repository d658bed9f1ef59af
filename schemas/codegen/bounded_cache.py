"""What was made of values that come again and again, within bounds."""

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")
Made = TypeVar("Made")


class Remembered(dict[Value, Made]):
    """Value -> what ``make`` makes of it, for at most ``most`` values; then it begins anew."""

    def __init__(self, make: Callable[[Value], Made], most: int) -> None:
        super().__init__()
        self._make, self._most = make, most

    def __missing__(self, value: Value) -> Made:
        if len(self) >= self._most:
            self.clear()
        made = self[value] = self._make(value)
        return made


LONGEST = 100
"""Characters of a text that is remembered: senders choose how long theirs are."""


class RememberedTexts(Remembered[Value, Made]):
    """The same of texts: what is longer than ``LONGEST`` is made each time."""

    def __missing__(self, value: Value) -> Made:
        if isinstance(value, str) and len(value) > LONGEST:
            return self._make(value)
        return super().__missing__(value)
