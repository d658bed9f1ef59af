"""What an operator accepts when outcomes were deleted too early, and what that does not cover."""

from typing import Any

import pytest

from processors.index import horizon
from processors.index.horizon import HorizonError, require_accepted
from runtime.settings import Settings
from schemas.json_records import decisions
from schemas.json_records.decisions import AcceptedHorizon, AcceptedLoss, ContactKey, Decision

CARTS, ORDERS = "hookline.carts", "hookline.orders"


def accepted(partition: int = 3, **starts: int) -> AcceptedHorizon:
    named = {f"hookline.{name}": start for name, start in starts.items()}
    return AcceptedHorizon(partition=partition, starts=named, at=1)


def lost(topic: str = CARTS, start: int = 40) -> HorizonError:
    return HorizonError(topic, 3, start, "lost some")


def test_the_refusal_names_the_command_that_ends_it() -> None:
    assert "`hookline accept-horizon 3`" in str(lost())
    assert lost().awaits_decision


@pytest.mark.parametrize(
    ("made", "is_settled"),
    [
        ([], False),
        ([accepted(carts=40)], True),
        ([accepted(carts=41)], True),
        ([accepted(carts=39)], False),  # more was deleted after that decision
        ([accepted(orders=40)], False),
        ([accepted(4, carts=40)], False),
        ([AcceptedLoss(partition=3, first=0, until=99, at=1)], False),
        ([ContactKey(fingerprint="0", at=1), accepted(carts=40)], True),
    ],
)
async def test_a_decision_covers_what_its_logs_had_lost_by_then(
    made: list[Decision], is_settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read_all(_settings: Settings) -> list[Decision]:
        return [decisions.decode(decisions.encode(each)) for each in made]

    monkeypatch.setattr(horizon.operator_decisions, "read_all", read_all)
    assert lost().is_settled_by(made) is is_settled
    if is_settled:
        await require_accepted(Settings(), [lost()])
    else:
        with pytest.raises(HorizonError):
            await require_accepted(Settings(), [lost()])


async def test_each_log_that_lost_some_must_be_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read_all(_settings: Settings) -> list[Any]:
        return [accepted(carts=40)]

    monkeypatch.setattr(horizon.operator_decisions, "read_all", read_all)
    with pytest.raises(HorizonError, match=r"hookline\.orders/3"):
        await require_accepted(Settings(), [lost(), lost(ORDERS)])
