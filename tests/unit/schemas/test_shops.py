import asyncio
import os
import signal
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import assume, given
from hypothesis import strategies as st

from runtime import metrics_page
from runtime.health import Health
from runtime.shop_book import ShopBook
from schemas.shops import Shop, ShopsError, parse, survey

ONE = '[[shops]]\nsource = "gooten"\nid = "prints"\nsecrets = ["a"]\n'
TWO = ONE + '[[shops]]\nsource = "ciklik"\nid = "box"\nsecrets = ["b"]\ncurrency = "EUR"\n'


@pytest.fixture
def file(tmp_path: Any) -> Any:
    path = tmp_path / "shops.toml"
    path.write_text(ONE)
    return path


def test_shops_are_found_by_source_and_id(file: Any) -> None:
    book = ShopBook(file)

    assert book.get("gooten", "prints").id == "prints"
    assert book.get("ciklik", "prints") is None


def test_a_file_that_cannot_be_used_at_start_is_refused(tmp_path: Any) -> None:
    with pytest.raises(ShopsError, match=r"nothing\.toml"):
        ShopBook(tmp_path / "nothing.toml")


def test_a_changed_file_is_read_again(file: Any) -> None:
    book = ShopBook(file)
    file.write_text(TWO)

    assert book.refresh()
    assert {("gooten", "prints"), ("ciklik", "box")} == set(book.shops)
    assert book.version == 2


def test_an_unchanged_file_is_not_read_again(file: Any) -> None:
    book = ShopBook(file)

    assert not book.refresh()
    assert book.version == 1


def test_a_change_of_the_same_size_in_the_same_nanosecond_is_seen_when_the_file_is_replaced(
    file: Any, tmp_path: Any
) -> None:
    book = ShopBook(file)
    stamp = file.stat()
    other = tmp_path / "other"
    other.write_text(ONE.replace("prints", "prince"))
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.replace(file)

    assert book.refresh()
    assert book.get("gooten", "prince") is not None


@pytest.mark.parametrize("broken", ["[[shops", '[[shops]]\nsource = "nobody"\n', "\xff", None])
def test_a_broken_file_keeps_the_previous_shops_and_warns(file: Any, broken: Any) -> None:
    health = Health()
    book = ShopBook(file, health)
    before = book.shops
    if broken is None:
        file.unlink()
    else:
        file.write_bytes(broken.encode("latin-1"))

    assert not book.refresh()
    assert before is book.shops
    assert book.version == 1
    assert health.warnings


def test_a_mended_file_is_in_force_again(file: Any) -> None:
    health = Health()
    book = ShopBook(file, health)
    file.write_text("[[")
    book.refresh()
    file.write_text(TWO)

    assert book.refresh()
    assert not health.warnings
    assert len(book.shops) == 2


def test_a_broken_file_shows_in_the_metrics(file: Any) -> None:
    book = ShopBook(file)
    file.write_text("[[")
    book.refresh()

    assert b"hookline_shops_file_broken 1.0" in metrics_page.render()


def test_reload_reads_whatever_the_stamp_says(file: Any) -> None:
    book = ShopBook(file)

    assert book.reload()
    assert book.version == 2


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("shops = 5", "shops: begin each shop with"),
        ('[shops]\nsource = "gooten"', "shops: begin each shop with"),
        ('shops = ["gooten"]', "shops: begin each shop with"),
        ("x = " + "[" * 5000, "nested too deeply"),
        (ONE + 'timezone = "America"', "shops[1].timezone"),
        (ONE + f'timezone = "{"x" * 5000}"', "shops[1].timezone"),
        (ONE + "quota = true", "shops[1].quota"),
        (ONE + "proof_header = 5", "shops[1].proof_header"),
        (ONE + 'proof_header = "a b"', "shops[1].proof_header"),
        (ONE + 'window = "999999999d"', "shops[1].window"),
        (ONE + "window = 99999999999999999999", "shops[1].window"),
    ],
)
def test_a_broken_file_names_the_field(broken: str, message: str) -> None:
    with pytest.raises(ShopsError) as raised:
        parse(broken)
    assert message in str(raised.value)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["gooten", "spiffy", "token", "header", "UTC", "EUR", "America", "60m"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
keys = st.sampled_from([item.name for item in fields(Shop)]) | st.text(max_size=5)


@given(st.dictionaries(keys, values, max_size=6), st.booleans())
def test_any_table_is_a_shop_or_an_error_with_a_field_and_a_remedy(
    entries: dict[str, Any], begins_well: bool
) -> None:
    """Anything else would end the watch over the file, and the process with it."""
    base = {"source": "gooten", "id": "a", "secrets": ["x"]} if begins_well else {}
    shop = {key: value for key, value in {**base, **entries}.items() if value is not None}
    try:
        text = tomlkit.dumps({"shops": [shop]})
        tomllib.loads(text)
    except (ValueError, TypeError):  # not every such thing can be written as TOML
        assume(False)
    found, problems = survey(text)
    assert len(found) + len(problems) == 1
    assert all(str(problem).startswith("shops[1]") for problem in problems)


def test_every_broken_shop_is_named() -> None:
    found, problems = survey(TWO.replace('"EUR"', "5") + TWO + ONE.replace("gooten", "x"))
    assert list(found) == [("gooten", "prints"), ("ciklik", "box")]
    assert [str(problem).partition(":")[0] for problem in problems] == [
        "shops[2].currency",
        "shops[3]",
        "shops[5].source",
    ]


def test_a_broken_file_is_reported_on_readyz_and_the_process_stays_ready(file: Any) -> None:
    health = Health()
    book = ShopBook(file, health)
    file.write_text("[[")
    book.refresh()
    warnings = dict(health.warnings)
    file.write_text(TWO)
    book.refresh()

    assert "stay in force" in warnings["shops file"]
    assert health.warnings == {}
    assert health.is_ready


async def test_a_hangup_reads_the_file_again(file: Any) -> None:
    book = ShopBook(file)
    book.reload_at_hangup()
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(5):
        while book.version == 1:  # noqa: ASYNC110 - a signal sets no event
            await asyncio.sleep(0.01)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
    assert book.version == 2


def test_a_file_without_secrets_is_enough_for_who_checks_no_proof() -> None:
    text = '[[shops]]\nsource = "gooten"\nid = "prints"\n'
    (shop,) = parse(text, needs_secrets=False).values()
    assert shop.secrets == ()
    with pytest.raises(ShopsError, match=r"shops\[1\].secrets: give one secret"):
        parse(text)
    for secrets in ("[]", '["a", "b", "c"]', '[""]', '"text"'):
        with pytest.raises(ShopsError, match=r"shops\[1\].secrets"):
            parse(f"{text}secrets = {secrets}\n", needs_secrets=False)


def test_a_processor_keeps_no_reference_to_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "shops.toml"
    file.write_text('[[shops]]\nsource = "gooten"\nid = "prints"\nsecrets = ["a token"]\n')
    assert [shop.secrets for shop in ShopBook(file).shops.values()] == [("a token",)]
    assert [shop.secrets for shop in ShopBook(file, with_secrets=False).shops.values()] == [()]
