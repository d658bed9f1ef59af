"""Adds the simulated shops to a stack's shops file, and waits until the ingress knows them."""

import gzip
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import httpx

from hookline.console.errors import CommandError
from hookline.shops import config_file
from hookline.simulate.sending.requests import shop_settings
from hookline.simulate.world.facts import SimulatedShop
from ingest.sources import prove
from schemas import shops as shops_file
from schemas.shops import Shop

_TIMEOUT = 30.0
_TOO_LARGE = gzip.compress(bytes(64 << 20))
"""Decompressed it is larger than any ingress takes: refused after the proof, and never stored."""


def settings_of(shops: Iterable[SimulatedShop]) -> dict[tuple[str, str], Shop]:
    """Return the shops as the stages know them."""
    return {(shop.source, shop.id): config_file.shop_of(shop_settings(shop)) for shop in shops}


def add(path: Path, shops: Sequence[SimulatedShop], seed: int) -> None:
    """Add all shops to the file in one write. Raises CommandError if one of them is there."""
    before = config_file.read(path)
    existing = shops_file.parse(before)
    if any((shop.source, shop.id) in existing for shop in shops):
        raise CommandError(
            f"seed {seed} was simulated on this stack already: its shops are in {path}, and what"
            " was sent again would be taken for repeats; choose another --seed"
        )
    after = before
    for shop in shops:
        after = config_file.with_shop(after, shop_settings(shop))
    config_file.write(path, before, after)


def wait_until_known(
    urls: Sequence[str],
    shops: Iterable[Shop],
    report: Callable[[str], object],
    timeout: float = _TIMEOUT,
) -> None:
    """Wait until every ingress accepts the shops' proofs; nothing is stored.

    Raises CommandError if one does not within ``timeout`` seconds, httpx.HTTPError without answer.
    """
    until = time.monotonic() + timeout
    with httpx.Client(timeout=15.0, trust_env=False) as client:
        for url in urls:
            for shop in shops:
                while not _is_known(client, url, shop):
                    if time.monotonic() > until:
                        raise CommandError(
                            f"{url} does not know {shop.source}/{shop.id} after {timeout:.0f} s:"
                            " does it read this shops file (HOOKLINE_SHOPS_FILE)?"
                        )
                    report("waiting until the ingress has read the shops file")
                    time.sleep(0.2)


def _is_known(client: httpx.Client, url: str, shop: Shop) -> bool:
    path, headers = prove(shop, shop.secrets[0].encode(), _TOO_LARGE, "abandoned_cart")
    answer = client.post(
        f"{url.rstrip('/')}{path}",
        headers={**headers, "content-encoding": "gzip"},
        content=_TOO_LARGE,
    )
    return answer.status_code != httpx.codes.UNAUTHORIZED
