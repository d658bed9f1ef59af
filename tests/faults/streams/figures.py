"""The arithmetic of the comparison: gaps between moments, and groups of one coordinator."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count, pairwise


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without anything new. ``is_over``: something new came after it."""

    seconds: float
    is_over: bool = True

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s" if self.is_over else f"> {self.seconds:.1f} s"


def longest_gap(moments: Iterable[float], began: float, until: float) -> Gap:
    """Return the longest time without a moment between ``began`` and ``until`` (seconds).

    The time from the last moment to ``until`` counts too: what never came back is no short gap.
    """
    inside = sorted(at for at in moments if began <= at <= until)
    closed = max((later - earlier for earlier, later in pairwise([began, *inside])), default=0.0)
    last = until - (inside[-1] if inside else began)
    return Gap(last, is_over=False) if last > closed else Gap(closed)


def longest_of_all(moments: Mapping[int, Iterable[float]], began: float, until: float) -> Gap:
    """Return the longest time without anything new in any partition."""
    return longest_gap((at for each in moments.values() for at in each), began, until)


def longest_of_one(moments: Mapping[int, Iterable[float]], began: float, until: float) -> Gap:
    """Return the longest time without anything new in one partition: the worst one's."""
    gaps = [longest_gap(each, began, until) for each in moments.values()]
    return max(gaps, key=lambda gap: gap.seconds, default=Gap(until - began, is_over=False))


def coordinator_partition(group: str, partitions: int) -> int:
    """Return the partition of ``__consumer_offsets`` whose leader coordinates the group.

    Kafka takes Java's hash of the name, a signed number of 32 bits. ``group`` is ASCII.
    """
    value = 0
    for letter in group.encode("ascii"):
        value = (31 * value + letter) & 0xFFFFFFFF
    signed = value - 2**32 if value >= 2**31 else value
    return (0 if signed == -(2**31) else abs(signed)) % partitions


def with_coordinator_of(group: str, name: str, partitions: int) -> str:
    """Return ``name``, numbered so that its coordinator is that of ``group``."""
    wanted = coordinator_partition(group, partitions)
    names = (f"{name}-{number}" for number in count(1))
    return next(each for each in names if coordinator_partition(each, partitions) == wanted)
