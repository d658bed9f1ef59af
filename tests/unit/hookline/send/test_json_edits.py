"""What ``--set`` makes of an example."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.console.errors import CommandError
from hookline.send import json_edits, xml_edits

NOW = datetime(2026, 3, 4, 5, 6, 7, 890_123, tzinfo=UTC)


def changed(document: Any, *arguments: str, zone: str = "UTC") -> Any:
    json_edits.apply(
        document,
        [json_edits.parse_edit(argument) for argument in arguments],
        now=NOW,
        naive_zone=zone,
    )
    return document


@pytest.mark.parametrize(
    ("example", "written"),
    [
        ("2024-07-30T01:58:08.163Z", "2026-03-04T05:06:07.890Z"),
        ("2021-01-15T09:02:16.000000Z", "2026-03-04T05:06:07.890123Z"),
        ("2015-10-24T18:26:31Z", "2026-03-04T05:06:07Z"),
        ("2022-05-23 14:37:24", "2026-03-04 10:36:07"),
        ("2022-05-23T20:07:22+05:30", "2026-03-04T10:36:07+05:30"),
        ("2022-05-23T20:07:22-0400", "2026-03-04T01:06:07-0400"),
        (1626350400, 1772600767),
        (1626350400000, 1772600767890),
        ("soon", "2026-03-04T05:06:07.890Z"),
        (None, "2026-03-04T05:06:07.890Z"),
    ],
)
def test_now_is_written_as_the_example_writes_times(example: Any, written: Any) -> None:
    assert changed({"at": example}, "at=now", zone="Asia/Kolkata") == {"at": written}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("now-2h", "2026-03-04T03:06:07Z"),
        ("now+5m", "2026-03-04T05:11:07Z"),
        ("now-1d", "2026-03-03T05:06:07Z"),
        ("now+9s", "2026-03-04T05:06:16Z"),
    ],
)
def test_now_moves_by_seconds_minutes_hours_and_days(text: str, written: str) -> None:
    assert changed({"at": "2015-10-24T18:26:31Z"}, f"at={text}") == {"at": written}


def test_a_null_time_is_written_as_the_times_beside_it() -> None:
    document = {"created_at": "2022-05-23 14:37:24", "updated_at": None}
    assert changed(document, "updated_at=now")["updated_at"] == "2026-03-04 05:06:07"


@pytest.mark.parametrize(
    ("example", "text", "value"),
    [
        ("716", "717", "717"),
        (448725, "448726", 448726),
        (8.32, "8.40", Decimal("8.40")),
        (True, "false", False),
        ("x", "null", None),
        ("x", '"null"', "null"),
        (None, "paid", "paid"),
        (None, "12", 12),
        ([], '[{"sku": "a"}]', [{"sku": "a"}]),
        ({}, "{}", {}),
        ("soon", "nowhere", "nowhere"),
    ],
)
def test_a_value_keeps_the_type_that_the_example_had(example: Any, text: str, value: Any) -> None:
    assert changed({"x": example}, f"x={text}") == {"x": value}


def test_paths_lead_through_names_and_places() -> None:
    document = {"data": {"items": [{"cost": 1}, {"cost": 2}]}}
    changed(document, "data.items[1].cost=5", "data.items.0.cost=4", "data.note=new")
    assert document == {"data": {"items": [{"cost": 4}, {"cost": 5}], "note": "new"}}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("data", "write path=value"),
        ("=1", "write path=value"),
        ("data.nothing.x=1", "no 'nothing' there; there is id, items, ok"),
        ("data.items[3]=1", "no 3 there; there is 1 items"),
        ("data.id=many", "example's value 1 is a number"),
        ("data.ok=maybe", "write true or false"),
        ("data.items=all", "write JSON, e.g."),
    ],
)
def test_an_edit_that_does_not_fit_is_explained(argument: str, message: str) -> None:
    with pytest.raises(CommandError) as raised:
        changed({"data": {"id": 1, "items": [1], "ok": True}}, argument)
    assert message in str(raised.value)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(), min_size=1))
def test_setting_a_text_changes_nothing_else(document: dict[str, str]) -> None:
    name = min(document)
    before = dict(document)
    assert changed(document, f"{name}=other") == {**before, name: "other"}


def test_xml_is_changed_by_names_of_either_spelling() -> None:
    body = b'<cart><line-items type="array"><line-item><quantity>3</quantity></line-item>\
</line-items><updated-at nil="true"/></cart>'
    change = [
        json_edits.parse_edit("line_items[0].quantity=4"),
        json_edits.parse_edit("updated_at=now"),
    ]
    out = xml_edits.apply(body, change, now=NOW)
    assert b"<quantity>4</quantity>" in out
    assert b"<updated-at>2026-03-04T05:06:07.890Z</updated-at>" in out
    with pytest.raises(CommandError, match="there is line-items, updated-at"):
        xml_edits.apply(body, [json_edits.parse_edit("price=1", may_add=False)], now=NOW)
    added = xml_edits.apply(body, [json_edits.parse_edit("price=1")], now=NOW)
    assert added.endswith(b"<price>1</price></cart>")
    for path in ("price.amount=1", "line_items[3]=1"):
        with pytest.raises(CommandError, match="there is line-"):
            xml_edits.apply(body, [json_edits.parse_edit(path)], now=NOW)


def test_a_name_that_the_example_lacks_is_refused_unless_it_may_be_added() -> None:
    for path in ("data.nope=3", "data.items[0].nope=3"):
        document = {"data": {"items": [{"price": 1}]}}
        with pytest.raises(CommandError, match=r"no 'nope' there; .*--add data.*nope=..."):
            json_edits.apply(document, [json_edits.parse_edit(path, may_add=False)], now=NOW)
        assert "nope" not in str(document)
        json_edits.apply(document, [json_edits.parse_edit(path)], now=NOW)
        assert "'nope': 3" in str(document)
