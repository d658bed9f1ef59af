"""Memory settings for batches: of glibc's malloc and of the garbage collector."""

import ctypes
import gc

from schemas.topics import MIB

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of mallopt(3), as malloc.h numbers them."""
_LARGE = MIB
"""Bytes: larger blocks get pages of their own, which are returned when freed."""
_SPARE = 16 * MIB
"""Bytes at the end of the heap kept for the next batch."""
_YOUNG, _MIDDLE, _OLD = 500_000, 20, 20
"""Thresholds of the garbage collector."""


def configure_malloc() -> None:
    """Configure glibc, before the first thread starts; other C libraries are left alone.

    By default each thread fills an arena of its own, and the threshold for separate pages grows
    with use, so memory of one large index recovery would never be returned.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for parameter, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _SPARE)):
        mallopt(parameter, value)


def configure_gc() -> None:
    """Collect cycles rarely, and never among the objects that exist at the start.

    The default is a collection every 700 allocations; one event takes a hundred. Objects without
    cycles are freed at once, as always.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
