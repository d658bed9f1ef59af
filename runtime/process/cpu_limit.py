"""A limit on the CPU time of one record, enforced by the kernel.

Pure Python or C code cannot be cancelled from within, and a loop in C may hold the interpreter's
lock, so no thread could end it. A kernel timer can: SIGPROF ends the process after writing the
tracebacks to stderr, and the next owner finds the record by its crash marks
(``consumer/crash_marks.py``). The timer counts CPU time, so a process that was stopped or starved
does not blame a record.
"""

import faulthandler
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2
SLACK = 0.25
"""Share of the budget that a record may exceed it by, so that not every record sets the timer."""


class Budget:
    """``seconds`` of CPU time (at most ``SLACK`` more) from each ``renew`` inside ``enforced``."""

    def __init__(self, seconds: float) -> None:
        self._slack = seconds * SLACK
        self._limit = seconds + self._slack
        self._stale_at = 0.0
        faulthandler.register(
            signal.SIGPROF, file=STDERR, chain=True
        )  # then the default action: exit

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Count the CPU time of the block."""
        self._set(time.perf_counter())
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def renew(self) -> None:
        """Start the next record's budget."""
        now = time.perf_counter()
        if now > self._stale_at:
            self._set(now)

    def _set(self, now: float) -> None:
        self._stale_at = now + self._slack
        signal.setitimer(signal.ITIMER_PROF, self._limit)
