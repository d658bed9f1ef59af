"""The load to plan for, and the limits of one machine, as given by the operator."""

import math
from dataclasses import dataclass, fields

from schemas.topics import RAW_RETENTION

DAY = 86_400


class CapacityError(ValueError):
    """A load or limit that is not possible; the message names the option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The incoming load. ``rate``: deliveries per second on average; ``peak``: factor at the peak.

    ``events`` per delivery and ``body`` (bytes): None for the measured values. ``orders``,
    ``carts`` and ``customers``: new ones per delivery. ``window_s``: dedupe window;
    ``retention_s``: of the raw topic.
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
            _at_least("--events-per-delivery", self.events, least=1)
        if self.body is not None:
            _at_least("--body", self.body, least=1)
        _at_least("--peak", self.peak, least=1)
        _positive("--rate", self.rate)
        _positive("--window", self.window_s)
        _positive("--retention", self.retention_s)
        for name in ("orders", "carts", "customers"):
            _at_least(f"--{name}", getattr(self, name), least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Limits of one machine for planning, chosen by the operator and not measured.

    ``headroom``: share of every core that stays free at the peak. ``process_memory``: bytes per
    process. ``postgres_log``: bytes of write-ahead log per second and PostgreSQL server;
    ``broker_bytes``: bytes written per second and broker.
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
            _positive(f"--{item.name.replace('_', '-')}", getattr(self, item.name))

    @property
    def usable(self) -> float:
        """Share of a core that the peak may take."""
        return 1 - self.headroom


def _positive(option: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise CapacityError(f"{option}: a number above 0, not {value:g}")


def _at_least(option: str, value: float, least: float) -> None:
    if not (math.isfinite(value) and value >= least):
        raise CapacityError(f"{option}: {least:g} or more, not {value:g}")
