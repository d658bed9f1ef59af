"""A shop that is not known yet is waited for, and only for so long."""

from pathlib import Path

import pytest

from processors import unknown_shops
from processors.unknown_shops import ShopWait, UnknownShops
from runtime.health import Health
from runtime.shop_book import ShopBook

NEW, OTHER = ("spiffy", "new"), ("gooten", "other")
FILE = """
[[shops]]
source = "gooten"
id = "other"
secrets = ["0123456789abcdef0123456789abcdef"]
currency = "USD"
"""


def test_each_shop_is_waited_for_from_when_it_was_first_met() -> None:
    now = [0.0]
    shops = UnknownShops(60.0, lambda: now[0])
    assert shops.awaited([NEW]) == ["spiffy/new"]
    now[0] = 40.0
    assert shops.awaited([NEW, OTHER]) == ["gooten/other", "spiffy/new"]
    now[0] = 60.0
    assert shops.awaited([NEW, OTHER]) == ["gooten/other"]
    assert shops.awaited([]) == []


def test_a_shop_that_became_known_and_goes_again_is_waited_for_again() -> None:
    now = [0.0]
    shops = UnknownShops(60.0, lambda: now[0])
    shops.awaited([NEW])
    now[0] = 100.0
    assert shops.awaited([NEW]) == []
    shops.forget([NEW, OTHER])
    assert shops.awaited([NEW]) == ["spiffy/new"]


def test_no_number_of_invented_shops_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown_shops, "_REMEMBERED", 2)
    shops = UnknownShops(60.0, lambda: 0.0)
    names = shops.awaited([("spiffy", str(number)) for number in range(5)])
    assert names == ["spiffy/0", "spiffy/1"]


def test_a_patience_of_zero_waits_for_none() -> None:
    assert UnknownShops(0.0, lambda: 0.0).awaited([NEW]) == []


async def test_while_a_shop_is_waited_for_its_name_is_on_the_readiness_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unknown_shops, "POLL", 0.0)
    file = tmp_path / "shops.toml"
    file.write_text("")
    health = Health()
    book = ShopBook(file, health)
    wait = ShopWait(60.0, book, health)
    assert await wait.wait({OTHER})
    assert "gooten/other" in health.unmet["shops"]
    file.write_text(FILE)
    assert await wait.wait({OTHER})
    assert OTHER in book.shops
    assert not await wait.wait(set())
    assert health.is_ready
