"""The adapters of all platforms: ``ADAPTER`` of the module named as its platform."""

from importlib import import_module

from processors.sources.contract import Adapter
from schemas.platforms import PLATFORMS


def _adapter(source: str) -> Adapter:
    adapter: Adapter = import_module(f"{__name__}.{source.replace('-', '_')}").ADAPTER
    return adapter


ADAPTERS: dict[str, Adapter] = {source: _adapter(source) for source in PLATFORMS}
"""Source -> its adapter."""
