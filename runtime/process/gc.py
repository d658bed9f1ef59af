"""The garbage collector's pace: a batch makes many objects that live as long as the batch."""

import gc

_YOUNG = 500_000
_MIDDLE = 20
_OLD = 20


def pace() -> None:
    """Look for cycles seldom, and never again among what was there at the start.

    The default is a look every 700 objects, and one event is a hundred. What has no cycle is
    freed at once, as always.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
