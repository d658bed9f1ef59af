"""Caches of computed values, bounded in number and in size of the keys."""

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")
Result = TypeVar("Result")


class BoundedCache(dict[Value, Result]):
    """Value -> ``compute(value)``, of at most ``size`` values; a full cache is cleared.

    A plain dict with ``__missing__``, so that a hit costs no call of Python code.
    """

    def __init__(self, compute: Callable[[Value], Result], size: int) -> None:
        super().__init__()
        self._compute, self._size = compute, size

    def __missing__(self, value: Value) -> Result:
        if len(self) >= self._size:
            self.clear()
        result = self[value] = self._compute(value)
        return result


LONGEST = 100
"""Characters or bytes of the longest text that is cached: senders choose how long theirs are."""


class BoundedTextCache(BoundedCache[Value, Result]):
    """The same for texts; one longer than ``LONGEST`` is computed each time."""

    def __missing__(self, value: Value) -> Result:
        if isinstance(value, str | bytes) and len(value) > LONGEST:
            return self._compute(value)
        return super().__missing__(value)
