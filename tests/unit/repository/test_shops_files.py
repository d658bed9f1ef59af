"""The two shops files that the repository ships."""

import re
from dataclasses import fields

from schemas.shops import SOURCES, Shop, load
from tests import ROOT


def test_the_example_is_one_shop_of_each_platform_abandoned_after_seconds() -> None:
    shops = load(ROOT / "shops.example.toml")
    assert [source for source, _ in shops] == list(SOURCES)
    assert {shop.abandon_after for shop in shops.values()} == {3}


def test_the_reference_names_and_uses_every_key() -> None:
    text = (ROOT / "shops.reference.toml").read_text()
    named = set(re.findall(r"^(\w+) = ", text, re.MULTILINE))
    assert named == {item.name for item in fields(Shop)}


def test_the_defaults_that_the_reference_tells_are_the_defaults() -> None:
    loaded = next(iter(load(ROOT / "shops.reference.toml").values()))
    defaults = {item.name: item.default for item in fields(Shop)}
    told = re.findall(
        r'^(\w+) = .*# default "?([^";\s]+)',
        (ROOT / "shops.reference.toml").read_text(),
        re.MULTILINE,
    )
    assert len(told) == 10
    for name, value in told:
        expected = getattr(loaded, name) if value not in ("UTC", "true", "false") else value
        actual = defaults[name]
        assert expected == (str(actual).lower() if isinstance(actual, bool) else actual), name


def test_the_reference_keeps_its_secrets_elsewhere() -> None:
    for shop in load(ROOT / "shops.reference.toml").values():
        assert all(secret.startswith(("env:", "file:")) for secret in shop.secrets)
