"""A stage without one of its costs: what the bench holds the real one against.

python -m tests.bench.plain_stages sink histogram
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from processors import agent as processors
from sinks import agent as sinks

HISTOGRAM, SPANS = "histogram", "spans"


def without(stage: str, cost: str) -> Sequence[str]:
    """Return the interpreter's arguments for a stage without ``cost``."""
    return ("-m", "tests.bench.plain_stages", stage, cost)


def _no_histogram() -> None:
    def nothing(stored: Any, *, clock: Any) -> None:
        """Look at no record."""

    sinks.visible_seconds.observe = nothing


def _no_spans() -> None:
    """Give the stages the methods that they had before there were traces."""

    async def handle(self: sinks.Sinks, batch: Any) -> None:
        await self._ready.store([batch], self._cluster_id)

    async def handle_prepared(self: sinks.Sinks, prepared: Any) -> None:
        await self._ready.write(prepared, self._cluster_id)

    _replace(sinks.Sinks, handle=handle, handle_prepared=handle_prepared)
    _replace(processors.Processors, handle=processors.Processors._handle)


def _replace(stage: type, **methods: Callable[..., Any]) -> None:
    for name, method in methods.items():
        if not hasattr(stage, name):
            raise AttributeError(f"{stage.__name__} has no {name}: the bench replaces nothing")
        setattr(stage, name, method)


def main() -> None:
    """Be the stage."""
    stage, cost = sys.argv[1:]
    {HISTOGRAM: _no_histogram, SPANS: _no_spans}[cost]()
    sys.argv = ["hookline", stage]
    from hookline.cli import main as hookline  # noqa: PLC0415 - what it imports is replaced by now

    hookline()


if __name__ == "__main__":
    main()
