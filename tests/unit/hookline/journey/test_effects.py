"""Which moments of a cart are an event's, and which abandonments a cart ever had."""

from hookline.explain.cart_timeline import FieldChange, Moment
from hookline.journey.effects import abandonments, own_moments


def moment(at: int, kind: str, name: str = "", changes: tuple[FieldChange, ...] = ()) -> Moment:
    if kind == "order":
        return Moment(at, kind, "", changes, order_key=name)
    return Moment(at, kind, "", changes, event_id=name or None)


MOMENTS = [
    moment(1, "cart event", "a"),
    moment(2, "silence"),
    moment(3, "cart event", "b"),
    moment(4, "silence"),
    moment(5, "silence"),
    moment(6, "order", "o"),
]


def test_the_silences_after_an_event_are_its_own_up_to_the_next_event() -> None:
    assert [each.at for each in own_moments(MOMENTS, "a", "")] == [1, 2]
    assert [each.at for each in own_moments(MOMENTS, "b", "")] == [3, 4, 5]
    assert [each.at for each in own_moments(MOMENTS, "none", "o")] == [6]
    assert own_moments(MOMENTS, "none", "none") == []


def test_an_abandonment_that_was_taken_back_is_still_known() -> None:
    changes = (
        FieldChange(1, "abandoned_at", None, 5),
        FieldChange(1, "status", "ACTIVE", "ABANDONED"),
    )
    back = (FieldChange(1, "abandoned_at", 5, None), FieldChange(2, "abandoned_at", None, 9))
    found = abandonments([moment(1, "silence", changes=changes), moment(2, "order", "o", back)])
    assert found == {(1, 5), (2, 9)}
