"""The story on the page Journey: what `hookline why` tells, before the deliveries, escaped."""

import re
from datetime import UTC, datetime
from typing import Any

from hookline.dashboard.templates import TEMPLATES
from hookline.explain.story import Story
from tests import ROOT

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
HTML = ROOT / "hookline" / "dashboard" / "html"
HOSTILE = "run-free/main/cart:<script>"


def rendered(story: Story) -> str:
    module: Any = TEMPLATES.get_template("journey/story.html").make_module({})
    return str(module.story(story, "h-story"))


def test_a_carts_story_shows_its_summary_first_then_its_moments_then_its_rows() -> None:
    event = {"raw_partition": 2, "raw_offset": 17, "event_id": "e", "decides": ["items"]}
    moment = {
        "at": AT, "kind": "silence", "order_key": None, "events": [event],
        "rule": "no activity for 1 h, and items in it: abandoned",
        "moved": [{"generation": 1, "field": "items", "before": None, "after": [{}, {}]}],
    }  # fmt: skip
    row = {
        "generation": 1, "status": "ABANDONED", "is_test": False, "first_seen_at": AT,
        "abandoned_at": AT, "abandon_count": 1, "closed_at": None, "item_count": 2,
        "cart_value": None, "currency": "USD", "order_key": None, "recovered_value": None,
    }  # fmt: skip
    explanation = {"moments": [moment], "generations": [row]}
    shown = rendered(Story("cart", HOSTILE, ("Left at noon",), explanation))
    order = ["Left at noon", "No activity for 1 h, and items in it", "2 lines", "Rows now"]
    assert [shown.index(text) for text in order] == sorted(shown.index(text) for text in order)
    assert "/journey?q=2%3A17" in shown
    assert "<script>" not in shown


def test_a_customers_story_names_the_fields_of_its_events_and_what_is_left_out() -> None:
    entity = {
        "key": "run-free/main/order:1", "kind": "order", "rules": ["COUNTED, since PAID"],
        "events": [{"raw_partition": 0, "raw_offset": 1, "event_id": "e", "decides": ["status"]}],
    }  # fmt: skip
    explanation = {
        "rows": [{"row": {"currency": "EUR"}, "rules": ["net 30 = the net of 1 of 1"]}],
        "orders": [entity], "payments": [], "reported": [], "subscriptions": [],
        "customer": {**entity, "kind": "customer", "key": "run-free/main/customer:1"},
    }  # fmt: skip
    shown = rendered(
        Story("customer", "run-free/main/customer:1", ("In the table",), explanation, 3)
    )
    for text in ("Row in EUR", "COUNTED, since PAID", "<code>status</code>", "3 more left out"):
        assert text in shown


def test_every_box_that_scrolls_is_a_named_group_that_a_keyboard_reaches() -> None:
    pages = [path.read_text() for path in HTML.rglob("*.html")]
    boxes = [tag for page in pages for tag in re.findall(r'<div class="scroll[^>]*>', page)]
    assert boxes
    for tag in boxes:
        assert 'role="group" tabindex="0" aria-label' in tag
