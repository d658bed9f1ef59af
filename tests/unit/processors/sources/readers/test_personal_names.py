"""A name that may be data itself is no name of a field."""

import pytest

from processors.sources.readers.personal_names import safe_name


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("line_items", "line_items"),
        ("address2", "address2"),
        ("x-utm.source", "x-utm.source"),
        ("ada@example.org", "*"),
        ("+15558675309", "*"),
        ("order1234", "*"),
        ("Ada Lovelace", "*"),
        ("Zoë", "*"),
        ("", "*"),
        ("a" * 65, "*"),
    ],
)
def test_a_key_that_may_be_data_is_not_shown(key: str, shown: str) -> None:
    assert safe_name(key) == shown
