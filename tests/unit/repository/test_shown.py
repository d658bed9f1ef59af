"""The line at the end of a run counts what passed, not what is written down."""

from processors.sources import ADAPTERS
from tests.example_files import examples
from tests.shown import line
from tests.traps import traps

EXAMPLES = "tests/unit/repository/test_examples.py::test_a_body_gives_exactly_its_expected_events"
NODES = [f"{EXAMPLES}[{example.name}]" for example in examples()] + [
    f"tests/unit/{test}[{case}]" for tests in traps().values() for test in tests for case in "ab"
]
COUNT = sum(len(adapter.event_names) for adapter in ADAPTERS.values())


def test_all_that_passed_is_shown() -> None:
    assert line(NODES, []) == f"events: {COUNT} of {COUNT}, traps: {len(traps())} of {len(traps())}"


def test_one_case_that_failed_takes_its_event_or_its_traps_away() -> None:
    event = f"{EXAMPLES}[ciklik/created_checkoutorder-renewal]"
    trap = "tests/unit/processors/sources/test_run_free.py::test_a_cart_of_nobody_is_refused[b]"
    said = line(set(NODES) - {event, trap}, [event, trap])
    assert said is not None
    assert said.startswith(f"events: {COUNT - 1} of {COUNT}, traps: {len(traps()) - 1} of ")


def test_a_run_without_examples_says_nothing() -> None:
    assert line(["tests/unit/hookline/test_cli.py::test_help"], []) is None
