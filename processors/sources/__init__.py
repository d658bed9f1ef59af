"""One platform, one adapter: found here and nowhere else."""

from processors.sources import ciklik, gooten, run_free, shoprocket, spiffy
from processors.sources.contract import Adapter

ADAPTERS: dict[str, Adapter] = {
    "run-free": run_free.ADAPTER,
    "shoprocket": shoprocket.ADAPTER,
    "spiffy": spiffy.ADAPTER,
    "ciklik": ciklik.ADAPTER,
    "gooten": gooten.ADAPTER,
}
"""Source -> its adapter."""
