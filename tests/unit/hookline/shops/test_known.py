"""A mistyped shop is an error that names those that there are; an unknown event is noted."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.console.errors import CommandError
from hookline.local.process import free_port
from hookline.shops.known import (
    event_note,
    known_shops,
    require_shop,
    require_whole_name,
    unknown_shop,
)
from hookline.stack_address import StackAddress
from processors.sources import ADAPTERS
from runtime.settings import Settings
from tests import ROOT

EXAMPLE = str(ROOT / "shops.example.toml")


def stack(file: str = EXAMPLE, reader: str = "") -> StackAddress:
    return StackAddress(Settings(shops_file=file), "", reader, "")


@pytest.mark.parametrize("shop", [None, "spiffy/johns", "johns", "joh*", "spiffy/*", "*"])
def test_a_known_shop_and_a_pattern_of_some_are_let_through(shop: str | None) -> None:
    require_shop(stack(), shop, patterns=True)


def test_a_star_is_no_pattern_where_a_command_takes_none() -> None:
    require_shop(stack(), "johns")
    with pytest.raises(CommandError, match=r"no shop 'joh\*'"):
        require_shop(stack(), "joh*")


@pytest.mark.parametrize("shop", ["nonsense", "ciklik/johns", "nosuch/*", "", "johns/spiffy"])
def test_an_unknown_shop_or_platform_is_an_error_that_lists_the_shops(shop: str) -> None:
    with pytest.raises(CommandError, match=r"there is .*spiffy/johns") as raised:
        require_shop(stack(), shop, patterns=True)
    assert repr(shop) in str(raised.value)


def test_a_whole_name_is_asked_for_where_a_command_takes_no_other() -> None:
    for fine in (None, "spiffy/johns"):
        require_whole_name(stack(), fine)
    for wrong in ("johns", "spiffy/*"):
        with pytest.raises(CommandError, match=r"there is .*spiffy/johns"):
            require_whole_name(stack(), wrong)


def test_without_a_shops_file_and_a_reader_nothing_is_refused(tmp_path: Path) -> None:
    nowhere = stack(str(tmp_path / "none.toml"), "postgresql://nobody@127.0.0.1:1/none")
    assert known_shops(nowhere) is None
    require_shop(nowhere, "nonsense")


def test_beside_tables_that_cannot_be_read_nothing_is_refused() -> None:
    unreachable = f"postgresql://hookline_reader@127.0.0.1:{free_port()}/hookline"
    require_shop(stack(reader=unreachable), "nobody")


def test_a_shop_that_is_alike_is_named_first_and_a_long_list_is_cut() -> None:
    known = [f"spiffy/shop{number}" for number in range(50)] + ["run-free/lakeside"]
    assert unknown_shop("lakesde", known).startswith("no shop 'lakesde': there is run-free/lakes")
    assert "and 31 more" in unknown_shop("x", known)
    assert "`hookline shops add`" in unknown_shop("x", [])


@given(st.sampled_from(sorted(ADAPTERS)), st.data())
def test_an_event_that_an_adapter_knows_is_never_noted(source: str, data: st.DataObject) -> None:
    event = data.draw(st.sampled_from(sorted(ADAPTERS[source].event_names)))
    assert event_note(event) is event_note(event, f"{source}/main") is None
    assert event_note(f"{event[:3]}*", "main") is None


def test_an_event_of_another_platform_is_noted_with_those_that_are_alike() -> None:
    assert event_note(None) is None
    assert "orders/paid" in (event_note("order/paid", "spiffy/johns") or "")
    assert event_note("orders/paid", "run-free/lakeside") is not None
