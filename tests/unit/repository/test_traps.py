"""Every trap of the platforms' pages has a test that shows it."""

import pytest

from processors.sources import ADAPTERS
from tests.traps import TRAPS, functions, shown, traps

EVERY = sorted({test for tests in traps().values() for test in tests})


@pytest.mark.parametrize("test", EVERY)
def test_a_test_that_shows_a_trap_stands_where_the_table_says(test: str) -> None:
    file, _, name = test.partition("::")
    assert name in functions(file)


def test_every_trap_is_of_a_platform_and_has_a_test() -> None:
    assert {*ADAPTERS, "all"} >= set(TRAPS)
    assert [trap for trap, tests in traps().items() if not tests] == []


def test_a_trap_is_shown_only_where_all_of_its_tests_passed() -> None:
    assert shown(EVERY) == list(traps())
    assert shown([]) == []
    trap, tests = next((trap, tests) for trap, tests in traps().items() if len(tests) > 1)
    assert trap not in shown(set(EVERY) - {min(tests)})
