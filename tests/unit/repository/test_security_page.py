"""docs/security.md is what the hostile tests are."""

from tests.hostile import cases

UNCASED = {
    "test_the_order_itself_is_an_event",
    "test_a_body_of_a_seed_is_always_the_same",
    "test_a_bug_and_a_slow_body_are_reported",
}
"""Tests of the tests themselves."""


def test_the_pages_table_is_made_of_the_tests() -> None:
    assert cases.PAGE.read_text() == cases.page(), "run: python -m tests.hostile.cases"


def test_every_hostile_test_is_in_the_table() -> None:
    named = {each.test.rpartition("::")[2] for each in cases.cases()}
    written = {name for module in cases.modules() for name in cases.tests(module)}

    assert written - named == UNCASED


def test_every_test_of_the_table_exists_in_the_file_it_names() -> None:
    for each in cases.cases():
        file, _, name = each.test.partition("::")
        assert f"def {name}(" in (cases.ROOT / file).read_text()


def test_every_section_has_cases_and_there_are_more_than_thirty() -> None:
    found = cases.cases()

    assert {each.section for each in found} == set(cases.SECTIONS)
    assert len(found) >= 30
    assert len({each.sent for each in found}) == len(found)


def test_no_case_breaks_the_table() -> None:
    for each in cases.cases():
        assert each.row.count("|") == 5, each.row
