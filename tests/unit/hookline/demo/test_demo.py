"""The demo's script and expectations, without a server."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from hookline.demo import expectations, script
from hookline.demo.expectations import Expectation
from hookline.demo.script import Step
from hookline.send import examples, sender
from hookline.send.json_edits import parse_edit
from hookline.tables.queries import Rows
from ingest.sources import SOURCES, read
from schemas.shops import load
from tests import ROOT

SHOPS = {s.source: s for s in load(ROOT / "shops.example.toml").values()}
EVERY = (*expectations.BY_TIMER, *expectations.AFTER_OLD_ORDER, *expectations.AT_THE_END)


class Answering:
    """Answers every query with the same rows."""

    def __init__(self, *rows: tuple[Any, ...]) -> None:
        self.rows = rows

    def query(self, query: str, arguments: Sequence[Any] | None = None) -> Rows:
        """The rows, whatever is asked."""
        assert query.count("%s") == len(arguments or ())
        return Rows([], self.rows)


@pytest.mark.parametrize("step", script.ALL, ids=lambda step: step.description)
def test_every_step_is_an_example_that_its_changes_fit(step: Step) -> None:
    found = examples.load(step.source, step.example)
    changed = sender.edited(found, [parse_edit(s) for s in step.changes], SHOPS[step.source])
    _, key = read(SOURCES[step.source], SHOPS[step.source].id, changed.event, changed.body)
    assert key is not None


def test_the_script_holds_all_platforms_a_retry_a_broken_proof_and_a_broken_body() -> None:
    assert {step.source for step in script.ALL} == set(SOURCES)
    assert sum(step.tampered for step in script.ALL) == 1
    assert sum(step.malformed for step in script.ALL) == 1
    sent = [(step.source, step.example, step.changes) for step in script.OLD]
    assert sent[0] == sent[1]


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.description)
def test_an_expectation_holds_for_its_row_and_for_no_other(one: Expectation) -> None:
    assert one.holds(Answering(one.expected))
    assert not one.holds(Answering())
    assert not one.holds(Answering((*one.expected[:-1], "something else")))


def test_figures_are_compared_by_value_not_by_their_digits() -> None:
    one = Expectation("x", "SELECT 1", (), (Decimal(104),))
    assert one.holds(Answering((Decimal("104.0000"),)))
