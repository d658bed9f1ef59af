"""How many of the platforms' events and traps a test run has shown to hold: one line at its end."""

from collections.abc import Iterable

from processors.sources import ADAPTERS
from tests import traps
from tests.example_files import examples

_UNIT = "tests/unit/"
_EXAMPLES = f"{_UNIT}repository/test_examples.py::test_a_body_gives_exactly_its_expected_events"


def line(passed: Iterable[str], failed: Iterable[str]) -> str | None:
    """``events: N of N, traps: N of N``; None where no example ran. Given pytest's node ids.

    An event is shown where all of its examples passed, a trap where all of its tests did, under
    all of their parameters.
    """
    good, bad = set(passed), set(failed)
    if not any(node.startswith(_EXAMPLES) for node in good | bad):
        return None
    words: dict[tuple[str, str], bool] = {
        (platform, word): True
        for platform, adapter in ADAPTERS.items()
        for word in adapter.event_names
    }
    told = dict.fromkeys(words, 0)
    for example in examples():
        event = (example.platform, example.told["event"])
        told[event] += 1
        words[event] &= f"{_EXAMPLES}[{example.name}]" in good
    events = sum(words[event] and told[event] > 0 for event in words)
    whole = _functions(good) - _functions(bad)
    shown = len(traps.shown(whole))
    return f"events: {events} of {len(words)}, traps: {shown} of {len(traps.traps())}"


def _functions(nodes: Iterable[str]) -> set[str]:
    """Node ids as the traps name tests: without parameters, under tests/unit."""
    return {node.partition("[")[0].removeprefix(_UNIT) for node in nodes}
