"""The scripted histories through the pure rules."""

from collections import Counter

import pytest

from tests.histories.history import History, Tables, histories, shown
from tests.histories.rules import RULES
from tests.histories.running import ONLY_SQL, SIZES, differing, folded, scripted, shuffled

HISTORIES = histories()
ORDERS = 20


def _is_pure(table: str) -> bool:
    return table not in ONLY_SQL


def _shown(found: Tables) -> Tables:
    return {table: shown(table, rows) for table, rows in found.items()}


def test_every_rule_of_the_tables_has_a_history() -> None:
    covered = Counter(rule for history in HISTORIES.values() for rule in history.rules)
    assert set(RULES) == set(covered)
    assert len(HISTORIES) >= 50


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())
def test_a_history_gives_its_rows(history: History) -> None:
    assert [] == differing(history, scripted(history), _is_pure)


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())
def test_in_any_order_and_any_batches_and_with_any_repetition_too(history: History) -> None:
    rows = dict(_shown(scripted(history)))
    del rows["signals"]  # what is told on the way depends on the way
    for seed in range(ORDERS):
        for size in SIZES:
            told = shuffled(history.events, seed)
            assert rows == _shown(folded(told, size, history.watermark)), (seed, size)
