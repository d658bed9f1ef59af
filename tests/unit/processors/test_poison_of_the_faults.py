"""The bad deliveries of the faults: a storm waits until each of them is a dead letter."""

import pytest

from processors.sources import ADAPTERS
from processors.sources.contract import Delivery
from schemas.envelopes import Reject
from schemas.raw_delivery import RawDelivery
from tests.bench.bodies import SHOPS
from tests.faults.poison import Poison


@pytest.mark.parametrize("number", range(10))
def test_every_kind_of_poison_is_rejected(number: int) -> None:
    raw = RawDelivery(0, 0, 1, b"key", b"", "delivery", "run-free", "lakeside", "", 1)
    delivery = Delivery(raw, SHOPS["run-free", "lakeside"], Poison(number).body, b"k" * 16)
    adapter = ADAPTERS["run-free"]
    parsed = adapter.parse(delivery)
    assert isinstance(parsed, Reject) or isinstance(adapter.events(delivery, parsed), Reject)
