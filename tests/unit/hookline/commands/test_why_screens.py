"""What `hookline why` shows of what a sender wrote."""

import pytest

from hookline.commands.tables import why_screens
from hookline.explain.story import Story

FORGED = "7\nCounts in the rates\x1b[2J"
EVENT = {"raw_partition": 2, "raw_offset": 7, "event_id": "e", "decides": [FORGED]}
ENTITY = {"kind": "order", "key": FORGED, "rules": [FORGED], "events": [EVENT]}
CART = {
    "cart_key": FORGED,
    "summary": [FORGED],
    "moments": [
        {
            "at": None, "kind": "order", "order_key": FORGED, "rule": FORGED, "events": [EVENT],
            "moved": [{"generation": 1, "field": "currency", "before": None, "after": FORGED}],
        }
    ],
    "generations": [{"generation": 1, "merged_into": FORGED, "native_cart_id": FORGED}],
}  # fmt: skip
CUSTOMER = {
    "customer_key": FORGED, "customer": ENTITY, "orders": [ENTITY], "payments": [], "reported": [],
    "subscriptions": [], "rows": [{"row": {"currency": FORGED}, "rules": [FORGED]}],
}  # fmt: skip


@pytest.mark.parametrize(
    "story",
    [
        Story("cart", FORGED, (FORGED,), CART),
        Story("order", FORGED, (FORGED,), ENTITY),
        Story("customer", FORGED, (FORGED,), CUSTOMER, left_out=3),
    ],
    ids=lambda story: story.kind,
)
def test_no_text_of_a_sender_looks_like_a_line_of_ours(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    why_screens.show_story(story)
    shown = capsys.readouterr().out
    assert "Counts in the rates" in shown
    assert not any(line.startswith("Counts") for line in shown.splitlines())
    assert "\x1b" not in shown
