"""A bound on the CPU time that one record may take, kept by the kernel.

What is pure Python or C cannot be cancelled from within, and a loop in C holds the
interpreter's lock, so no thread of ours could end it. A timer of the kernel can: SIGPROF ends
the process after the tracebacks were written to stderr, and who is next finds the record by
the marks of ``custody.py``. It counts CPU time, so a process that was stopped or starved is
not to blame.
"""

import faulthandler
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2
SLACK = 0.25
"""Share of the budget that a record may be over it: setting the timer costs a microsecond."""


class Budget:
    """``seconds`` of CPU time, at most ``SLACK`` more, from each ``renew`` within ``kept``."""

    def __init__(self, seconds: float) -> None:
        self._slack = seconds * SLACK
        self._limit = seconds + self._slack
        self._stale_at = 0.0
        faulthandler.register(signal.SIGPROF, file=STDERR, chain=True)  # then the default: die

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Around everything that is counted."""
        self._set(time.perf_counter())
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def renew(self) -> None:
        """The next record begins."""
        now = time.perf_counter()
        if now > self._stale_at:
            self._set(now)

    def _set(self, now: float) -> None:
        self._stale_at = now + self._slack
        signal.setitimer(signal.ITIMER_PROF, self._limit)
