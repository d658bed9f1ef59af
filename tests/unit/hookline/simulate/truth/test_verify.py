"""Waiting for quiet tables, and reading them page by page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from hookline.simulate.truth import verify
from hookline.simulate.truth.comparison import TABLES
from hookline.simulate.world.facts import SECOND
from tests.simulation.made import CIKLIK, NOON, SPIFFY, cart, got, order, shop


@dataclass
class Answered:
    rows: list[dict[str, Any]]

    def as_dicts(self) -> list[dict[str, Any]]:
        return self.rows


@dataclass
class Database:
    """Answers with watermarks, one after the other, and with no rows."""

    watermarks: list[int]
    asked: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    pages: list[list[dict[str, Any]]] = field(default_factory=list)

    def query(self, statement: str, parameters: Sequence[Any] | None = None, /) -> Answered:
        if "watermark" in statement:
            at = self.watermarks.pop(0) if len(self.watermarks) > 1 else self.watermarks[0]
            return Answered([{"at": at}])
        self.asked.append((statement, tuple(parameters or ())))
        return Answered(self.pages.pop(0) if self.pages else [])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "POLL", 0)


def test_quiet_is_when_no_limit_of_a_cart_is_ahead() -> None:
    after = verify.LINGER
    assert verify.quiet_at([got(order(), 5)]) == NOON + 5 * SECOND + after
    assert verify.quiet_at([got(cart(SPIFFY), 5)]) == NOON + 665 * SECOND + after
    assert verify.quiet_at([got(cart(CIKLIK), 5)]) == NOON + 605 * SECOND + after


def test_a_limit_of_weeks_is_not_waited_for() -> None:
    slow = shop(expire_after=30 * 86_400)
    assert verify.quiet_at([got(cart(slow), 0)]) == NOON + verify.LONGEST + verify.LINGER


def test_it_waits_until_the_watermark_has_passed() -> None:
    facts, lacking = [got(order(), 5)], list[float]()
    database = Database([NOON, NOON + 4 * SECOND, NOON + 9 * SECOND])
    assert verify.wait_for_quiet(database, facts, waiting=lacking.append) == NOON + 9 * SECOND
    assert lacking == [7, 3]


def test_a_watermark_that_does_not_move_is_not_waited_for_for_ever() -> None:
    with pytest.raises(verify.NotQuietError, match="lacks 7 s: do the processors and sinks run"):
        verify.wait_for_quiet(Database([NOON]), [got(order(), 5)], patience=0)


def test_only_the_runs_shops_are_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "PAGE", 1)
    row = {"order_key": "spiffy/sim-1-spiffy/order:1", "shop": "sim-1-spiffy"}
    database = Database([NOON], pages=[[row], []])
    found = verify.verify(database, [], "sim-1_")
    assert [(each.table, each.kind) for each in found.differences] == [("orders", "extra")]
    first, second = database.asked[:2]
    assert first[1] == (r"sim-1\_%",)
    assert second[1] == (r"sim-1\_%", "spiffy/sim-1-spiffy/order:1")
    assert "(order_key) > (%s)" in second[0]
    assert not found.holds


def test_a_day_that_ends_meanwhile_is_compared_again() -> None:
    midnight = NOON + 12 * 3600 * SECOND
    database = Database([midnight - 1, midnight + 1, midnight + 1])
    assert verify.verify(database, [], "sim-1-").holds
    tables = len(TABLES)
    assert len(database.asked) == 2 * tables
