"""Values as the pages write them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from markupsafe import Markup

from hookline.dashboard import formats
from hookline.dashboard.templates import TEMPLATES
from tests.screens import STEERING, TEXTS, steers

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


@given(TEXTS)
def test_what_a_template_prints_is_neither_markup_nor_steers_anything(text: str) -> None:
    shown = TEMPLATES.from_string('<p title="{{ text }}">{{ text }}</p>').render(text=text)
    inner = shown.removeprefix('<p title="').removesuffix("</p>")
    attribute, _, content = inner.partition('">')
    assert attribute == content
    assert not steers(content)
    assert not {'"', "<", ">", "'", "\n"} & set(content)


@pytest.mark.parametrize("each", STEERING)
def test_a_character_that_steers_is_shown_as_an_escape(each: str) -> None:
    assert formats.shown(f"a{each}b").isprintable()
    assert formats.shown(f"a{each}b") != f"a{each}b"


def test_markup_of_our_own_is_left_alone() -> None:
    assert formats.shown(Markup("<b>")) == "<b>"
    assert formats.shown(3) == 3


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formats.number(None), formats.NONE),
        (formats.number(12345), "12,345"),
        (formats.number(Decimal("1.50")), "1.5"),
        (formats.number(Decimal("2.00")), "2"),
        (formats.money(None), formats.NONE),
        (formats.money(Decimal("1234.5"), "EUR"), "1,234.50 EUR"),
        (formats.money(Decimal(-3), None), "-3.00"),
        (formats.percent(None), formats.NONE),
        (formats.percent(0.1234), "12.3%"),
        (formats.span(None), formats.NONE),
        (formats.span(timedelta(0)), "0 s"),
        (formats.span(timedelta(seconds=59.6)), "1 min"),
        (formats.span(timedelta(days=2, hours=3, minutes=4)), "2 d 3 h"),
        (formats.span(timedelta(days=2, minutes=4)), "2 d"),
        (formats.span(timedelta(seconds=-90)), "-1 min 30 s"),
        (formats.ago(None, NOW), "never"),
        (formats.ago(NOW, NOW), "just now"),
        (formats.ago(NOW + timedelta(seconds=5), NOW), "just now"),
        (formats.ago(NOW - timedelta(seconds=59.9), NOW), "59 s ago"),
        (formats.ago(NOW - timedelta(minutes=23, seconds=57), NOW), "23 min ago"),
        (formats.ago(NOW - timedelta(hours=6, minutes=54, seconds=3), NOW), "6 h 54 min ago"),
        (formats.ago(NOW - timedelta(days=1, hours=2, minutes=3), NOW), "1 d 2 h ago"),
        (formats.ago(NOW - timedelta(days=14, hours=4), NOW), "14 d ago"),
        (formats.commands("a <b> `c` d"), "a &lt;b&gt; <code>c</code> d"),
        (formats.utc(NOW), "2026-03-04 12:00:00 UTC"),
        (formats.sentence("invalid-payload"), "invalid payload"),
        (formats.short("a" * 20, 5), "aaaa\N{HORIZONTAL ELLIPSIS}"),
        (formats.short("abc"), "abc"),
    ],
)
def test_a_value_is_written_so(shown: str, expected: str) -> None:
    assert shown == expected
