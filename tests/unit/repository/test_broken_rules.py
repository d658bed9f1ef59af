"""``python -m tests.faults.broken_rules`` still finds what it breaks, and who notices."""

import pytest

from tests.faults.broken_rules import ROOT
from tests.faults.rule import Rule
from tests.faults.rules import RULES

EACH = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@EACH
def test_its_line_stands_in_its_file_exactly_once(rule: Rule) -> None:
    assert (ROOT / rule.path).read_text().count(rule.line) == 1
    assert rule.line != rule.broken


@EACH
def test_its_file_is_still_python_without_it(rule: Rule) -> None:
    text = (ROOT / rule.path).read_text().replace(rule.line, rule.broken)
    compile(text, rule.path, "exec")


@EACH
def test_the_tests_that_guard_it_are_there(rule: Rule) -> None:
    for catcher in rule.catchers:
        path, _, name = catcher.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text() or not name


def test_at_least_ten_rules_are_broken_each_under_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES) >= 10
