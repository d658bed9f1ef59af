"""How glibc keeps memory: what one batch or one merge took is given back, not kept for threads."""

import ctypes

from schemas.topics import MIB

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of mallopt(3), as malloc.h numbers them."""
_LARGE = MIB
"""Bytes: what is larger has pages of its own, which are gone once it is freed."""
_SPARE = 16 * MIB
"""Bytes at the end of the heap that are kept for the next batch."""


def settle() -> None:
    """Tell glibc, before the first thread starts; other C libraries are left as they are.

    By default each thread fills an arena of its own and the limit of what gets pages of its own
    grows with use: a worker that read a million outcomes back held 50 MB more for good.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for parameter, value in (
        (_ARENA_MAX, 1),
        (_MMAP_THRESHOLD, _LARGE),
        (_TRIM_THRESHOLD, _SPARE),
    ):
        mallopt(parameter, value)
