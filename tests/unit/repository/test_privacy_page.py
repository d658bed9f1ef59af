"""docs/privacy.md lists every topic, field and column that can hold a person's data."""

import re

import pytest

from schemas.events import RECORDS
from schemas.topics import ALL
from tests import ROOT, privacy_page
from tests.named_commands import missing

TEXT = privacy_page.PAGE.read_text()


def test_the_lists_of_the_page_are_as_the_schemas_and_tables_are() -> None:
    assert privacy_page.page() == TEXT, "run: python -m tests.privacy_page"


def test_every_topic_is_listed_with_what_it_holds() -> None:
    assert set(privacy_page.TOPICS) == {topic.name for topic in ALL}
    for topic in ALL:
        is_avro = topic.record is not None
        assert bool(privacy_page.TOPICS[topic.name]) is not is_avro, topic.name
        assert f"| `{topic.name}` | " in TEXT


def test_every_column_that_holds_text_is_in_a_class_or_cannot_be_personal() -> None:
    found = list(privacy_page.columns())
    assert len(found) > 250
    for table, column in found:
        of = privacy_page.class_of(table, column)  # raises for one in no list
        assert of is None or f"| {of.title} | `{column}` | " in TEXT


def test_every_text_field_of_a_record_is_in_a_class_or_cannot_be_personal() -> None:
    for record, kind in RECORDS.items():
        paths = list(privacy_page.fields(kind))
        assert len(paths) > 5
        for path in paths:
            of = privacy_page.class_of(record, path)
            assert of is None or f"`{path}`" in TEXT


def test_contact_data_is_where_the_page_says_and_nowhere_else() -> None:
    (contact, *_) = privacy_page.CLASSES
    tables = {t for t, c in privacy_page.columns() if privacy_page.class_of(t, c) == contact}
    records = {
        record
        for record, kind in RECORDS.items()
        for path in privacy_page.fields(kind)
        if privacy_page.class_of(record, path) == contact
    }
    assert tables == {"customer_contacts"}
    assert records == {"contacts", "customers"}  # the latter no longer written


@pytest.mark.parametrize("name", ["favourite_colour", "customers.shoe_size"])
def test_a_new_column_or_field_has_to_be_put_into_a_class(name: str) -> None:
    with pytest.raises(LookupError, match="can it be personal"):
        privacy_page.class_of("orders", name)


def test_no_name_is_in_two_classes_and_each_is_of_something() -> None:
    names = [name for each in privacy_page.CLASSES for name in each.names]
    assert len(names) == len(set(names))
    assert not set(names) & privacy_page.NOT_PERSONAL
    used = {column for _, column in privacy_page.columns()} | {
        f"{table}.{column}" for table, column in privacy_page.columns()
    }
    for record, kind in RECORDS.items():
        paths = list(privacy_page.fields(kind))
        used |= {path.rpartition(".")[2] for path in paths}
        used |= {f"{record}.{path}" for path in paths}
    assert [name for name in [*names, *privacy_page.NOT_PERSONAL] if name not in used] == []


def test_the_commands_that_the_page_names_exist() -> None:
    assert missing(TEXT) == []
    assert len(re.findall(r"`hookline [a-z]", TEXT)) > 10


def test_the_page_can_be_found() -> None:
    assert "(docs/privacy.md)" in (ROOT / "README.md").read_text()
    assert "(privacy.md)" in (ROOT / "docs" / "security.md").read_text()
