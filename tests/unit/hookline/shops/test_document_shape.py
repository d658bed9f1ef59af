"""Paths and types of documents, and what differs between two spans of them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.shops import document_shape
from hookline.shops.document_shape import Change, Shape, changes, fields

names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
leaves = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.decimals(allow_nan=False)
)
documents = st.dictionaries(
    names,
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=12,
    ),
    max_size=4,
)


def shape(*values: Any, at_ms: int = 0) -> Shape:
    made = Shape()
    for number, document in enumerate(values):
        made.add(fields(document), at_ms + number)
    return made


def test_paths_leave_positions_out_and_say_the_type() -> None:
    assert fields({"a": [{"b": "x"}, {"b": 1, "c": None}], "d": {"e": Decimal("1.5")}}) == {
        ("$", "object"),
        ("a", "list"),
        ("a[]", "object"),
        ("a[].b", "text"),
        ("a[].b", "number"),
        ("a[].c", "null"),
        ("d", "object"),
        ("d.e", "number"),
    }


MARK = "Marker of a value"


@given(documents)
def test_no_value_is_ever_kept(document: dict[str, Any]) -> None:
    def marked(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: marked(inner) for key, inner in value.items()}
        return [marked(inner) for inner in value] if isinstance(value, list) else MARK

    text = repr(changes(Shape(), shape(marked(document)))) + repr(shape(marked(document)))
    assert MARK not in text


@given(st.lists(documents, min_size=1, max_size=4))
def test_documents_do_not_differ_from_themselves(old: list[dict[str, Any]]) -> None:
    assert changes(shape(*old), shape(*reversed(old))) == []


@given(st.lists(documents, min_size=1, max_size=4), names)
def test_a_field_that_all_have_since_is_the_one_change(
    old: list[dict[str, Any]], name: str
) -> None:
    now = [{**document, f"{name}-new": 1} for document in old]
    (change,) = changes(shape(*old), shape(*now, at_ms=100))
    assert (change.what, change.path, change.kinds) == ("new", f"{name}-new", ("number",))
    assert (change.before, change.after, change.at_ms) == (0, len(old), 100)
    (change,) = changes(shape(*now, at_ms=100), shape(*old))
    assert (change.what, change.path) == ("gone", f"{name}-new")
    assert (change.before, change.after, change.at_ms) == (len(old), 0, 99 + len(old))


@given(st.lists(documents, min_size=1, max_size=4), st.lists(documents, min_size=1, max_size=4))
def test_what_is_new_in_one_direction_is_gone_in_the_other(
    old: list[dict[str, Any]], now: list[dict[str, Any]]
) -> None:
    def paths(found: list[Change], what: str) -> list[str]:
        return [change.path for change in found if change.what == what]

    there, back = changes(shape(*old), shape(*now)), changes(shape(*now), shape(*old))
    assert (paths(there, "new"), paths(there, "gone")) == (paths(back, "gone"), paths(back, "new"))


def test_another_type_is_reported_with_the_one_before() -> None:
    (change,) = changes(shape({"total": 1.5}, {"total": 2}), shape({"total": "1.50"}, at_ms=7))
    assert (change.what, change.kinds_before, change.kinds) == ("type", ("number",), ("text",))
    assert (change.after, change.at_ms) == (1, 7)


def test_a_type_that_is_only_seen_less_often_is_no_change() -> None:
    assert changes(shape({"a": None}, {"a": "x"}), shape({"a": "x"})) == []


def test_of_a_part_that_came_or_went_its_outermost_path_is_named() -> None:
    old, now = {"a": {"b": [{"c": 1}], "b_c": 2}, "a_b": 1}, {"a_b": 1}
    assert [change.path for change in changes(shape(now), shape(old))] == ["a"]
    assert [change.path for change in changes(shape(old), shape(now))] == ["a"]


def test_nothing_is_concluded_where_one_side_has_no_documents() -> None:
    assert changes(Shape(), shape({"a": 1})) == []
    assert changes(shape({"a": 1}), Shape()) == []


@pytest.mark.parametrize(("others", "is_sure"), [(9, False), (10, True)])
def test_what_could_be_chance_is_not_called_sure(others: int, is_sure: bool) -> None:
    """Every second document had it: of 10 others five were to be expected."""
    before = shape({"a": 1, "seldom": 1}, {"a": 1})
    (change,) = changes(before, shape(*[{"a": 1}] * others))
    assert (change.what, change.path, change.is_sure) == ("gone", "seldom", is_sure)


def test_paths_are_bounded_and_what_is_beyond_is_counted_and_makes_nothing_sure() -> None:
    letters = "abcdefghijklmno"
    wide = {f"{a}{b}{c}": 1 for a in letters for b in letters for c in letters}
    before = shape(*[wide] * 6)
    assert len(before.occurrences) == document_shape.MAX_PATHS
    assert before.omitted == 6 * (len(wide) + 1 - document_shape.MAX_PATHS)
    found = changes(before, shape(*[{"another": 1}] * 6))
    assert [each.is_sure for each in found if each.path == "another"] == [False]


def test_a_document_of_any_depth_is_walked_to_a_bound() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert len(fields({"a": deep})) == 1 + document_shape.MAX_DEPTH
