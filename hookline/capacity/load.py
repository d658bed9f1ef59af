"""What comes in, and what one machine may be asked for: said by the operator, checked here."""

import math
from dataclasses import dataclass, fields

from schemas.topics import RAW_RETENTION

DAY = 86_400


class CapacityError(ValueError):
    """A load that cannot be reckoned with; the message names the option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What comes in. ``rate``: deliveries a second, on average; ``peak``: the busiest times it.

    ``events`` of a delivery and ``body`` (bytes) None: as measured. ``orders``, ``carts`` and
    ``customers``: new ones for each delivery. ``window_s``: dedupe window; ``retention_s``: of
    the raw topic.
    """

    rate: float
    events: float | None = None
    body: float | None = None
    peak: float = 3.0
    window_s: int = 3 * DAY
    retention_s: int = int(RAW_RETENTION.total_seconds())
    orders: float = 0.5
    carts: float = 0.125
    customers: float = 0.125

    def __post_init__(self) -> None:
        if self.events is not None:
            _within("--events-per-delivery", self.events, least=1)
        if self.body is not None:
            _within("--body", self.body, least=1)
        _within("--peak", self.peak, least=1)
        _above_nothing("--rate", self.rate)
        _above_nothing("--window", self.window_s)
        _above_nothing("--retention", self.retention_s)
        for name in ("orders", "carts", "customers"):
            _within(f"--{name}", getattr(self, name), least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """What one may be asked for: planning limits of the operator, not measured.

    ``headroom``: share of every core that stays free at the peak. ``process_memory``: bytes of
    one process. ``postgres_log``: bytes of write-ahead log that one PostgreSQL writes a second;
    ``broker_bytes``: what one broker writes.
    """

    headroom: float = 0.3
    process_memory: float = 8e9
    postgres_cores: int = 32
    postgres_log: float = 200e6
    broker_cores: int = 8
    broker_bytes: float = 50e6
    broker_partitions: int = 4000
    replication: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.headroom < 1:
            raise CapacityError(f"--headroom: a share from 0 to below 1, not {self.headroom:g}")
        for item in fields(self)[1:]:
            _above_nothing(f"--{item.name.replace('_', '-')}", getattr(self, item.name))

    @property
    def usable(self) -> float:
        """Share of a core that the peak may take."""
        return 1 - self.headroom


def _above_nothing(option: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise CapacityError(f"{option}: a number above 0, not {value:g}")


def _within(option: str, value: float, least: float) -> None:
    if not (math.isfinite(value) and value >= least):
        raise CapacityError(f"{option}: {least:g} or more, not {value:g}")
