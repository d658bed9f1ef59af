"""An incident is raised once, repeated while it lasts, and resolved once."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from hookline.notify.conditions.condition import Scope
from hookline.notify.incidents import Incident, Message, Reading, advance
from tests.notify_conditions import ALL, NOON, condition, reading

DAY = timedelta(days=1)


def told(readings: Sequence[Reading], **options: object) -> list[list[str]]:
    """The messages of each reading, as type and alert."""
    incidents: dict[str, Incident] = {}
    found = []
    for each in readings:
        incidents, messages = advance(incidents, each, DAY, **options)  # type: ignore[arg-type]
        found.append([f"{one.type} {one.alert}" for one in messages])
    return found


def test_it_is_reported_once_and_once_when_it_is_over() -> None:
    bad = condition()
    assert told([reading(), reading(bad), reading(bad), reading(), reading()]) == [
        [], ["raised dead-letters"], [], ["resolved dead-letters"], [],
    ]  # fmt: skip


def test_it_is_repeated_each_day_while_it_lasts() -> None:
    bad = condition()
    hours = list(range(0, 73, 6))
    found = told([reading(bad, minutes=60 * hour) for hour in hours])
    assert [hour for hour, messages in zip(hours, found, strict=True) if messages] == [
        0, 24, 48, 72,
    ]  # fmt: skip
    assert found[0] == ["raised dead-letters"]
    assert found[-1] == ["repeated dead-letters"]


def test_what_was_not_looked_at_is_neither_raised_again_nor_over() -> None:
    bad, away = condition(), condition("tables-unreachable", "tables")
    blind = reading(away, scopes=frozenset({"tables"}))
    assert told([reading(bad), blind, blind, reading(bad), reading()]) == [
        ["raised dead-letters"],
        ["raised tables-unreachable"],
        [],
        ["resolved tables-unreachable"],
        ["resolved dead-letters"],
    ]


def test_what_must_last_is_reported_only_then_and_not_at_all_if_it_ends_before() -> None:
    def away(minutes: float) -> Reading:
        at = NOON + timedelta(minutes=minutes)
        return reading(condition("t", "tables", since=at, after=60.0), minutes=minutes)

    assert told([away(0), away(0.5), away(1), away(2)]) == [[], [], ["raised t"], []]
    assert told([away(0), away(0.5), reading(minutes=0.9)]) == [[], [], []]


def test_the_message_says_since_when_although_each_look_finds_it_anew() -> None:
    incidents: dict[str, Incident] = {}
    messages: list[Message] = []
    for minutes in (0, 10, 20):
        at = NOON + timedelta(minutes=minutes)
        each = reading(condition(since=at), minutes=minutes)
        incidents, new = advance(incidents, each, DAY)
        messages += new
    _, [over] = advance(incidents, reading(minutes=30), DAY)
    assert [message.since for message in (*messages, over)] == [NOON, NOON]


def test_twice_as_many_are_reported_at_once() -> None:
    levels = [1, 1, 2, 3, 4, 7, 8]
    found = told([reading(condition(level=level)) for level in levels])
    assert [bool(each) for each in found] == [True, False, True, False, True, False, True]


def test_no_message_is_about_a_shop_that_is_ignored() -> None:
    bad = condition("shop-silent:spiffy/old", "silence")
    assert told([reading(bad), reading()], ignored=["spiffy/old"]) == [[], []]


KEYS = ("a", "b", "shop-silent:x/y")
SCOPES: dict[str, Scope] = {"a": "tables", "b": "pipeline", "shop-silent:x/y": "silence"}


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from(KEYS)), st.frozensets(st.sampled_from(sorted(ALL)))),
        max_size=30,
    )
)
def test_raised_and_resolved_alternate_whatever_is_found(
    looks: list[tuple[set[str], frozenset[Scope]]],
) -> None:
    incidents: dict[str, Incident] = {}
    is_open = dict.fromkeys(KEYS, False)
    ids = set()
    for number, (found, scopes) in enumerate(looks):
        seen = [condition(key, SCOPES[key]) for key in found if SCOPES[key] in scopes]
        each = reading(*seen, minutes=number * 600, scopes=scopes)
        incidents, messages = advance(incidents, each, DAY)
        for message in messages:
            key = next(key for key in KEYS if key.startswith(message.alert))
            assert is_open[key] is (message.type != "raised")
            is_open[key] = message.type != "resolved"
            assert message.id not in ids
            ids.add(message.id)
        for key in KEYS:
            if SCOPES[key] in scopes:
                assert is_open[key] is (key in found)
