"""Whether a shop is silent: nothing came in hours in which something came every week."""

from collections.abc import Mapping

HOUR_S = 3600
WEEK = 7 * 24
"""Hours."""
WEEKS = 4
_SHIFTS = (-1, 0, 1)
"""Hours by which a clock change may have moved a shop's day since."""


def missing(counts: Mapping[int, int], last: int, now: int) -> int:
    """Return how many deliveries are missing at least, 0 where nothing is known to be.

    ``counts``: deliveries by hour, in hours since 1970. ``last``: the hour of the newest delivery,
    ``now``: the hour that has begun. The hours between them, whole ones, are compared with the same
    hours of each of the ``WEEKS`` weeks before; the week with the fewest counts, so that a shop
    with less history, or with one such pause in it, is never silent. An hour counts as much as the
    least of it and its neighbours: one burst, an import for example, proves nothing.
    """
    return min(
        sum(
            min(counts.get(hour - week * WEEK + shift, 0) for shift in _SHIFTS)
            for hour in range(last + 1, now)
        )
        for week in range(1, WEEKS + 1)
    )
