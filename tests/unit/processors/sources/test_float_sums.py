"""Shops that add prices as binary floats: no delivery is refused, and no amount is off."""

import copy
import json
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from processors.sources import ADAPTERS, notes
from schemas.envelopes import Reject
from tests.example_files import Example, examples
from tests.unit.processors.sources.deliveries import Outcome, delivery, outcome

ORDERS = 2000
JSON_EXAMPLES = [example for example in examples() if example.path.suffix == ".json"]
ORDER_EXAMPLES = [e for e in JSON_EXAMPLES if "order" in e.told["event"] + e.name]


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value of a document that is no object or list, with its path."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from fields(inner, (*path, key))
    else:
        yield path, value


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return changed


def made_of(example: Example, document: Any) -> Outcome:
    return outcome(delivery(example.platform, example.told["event"], document))


def amount_paths(example: Example) -> list[tuple[Any, ...]]:
    """The paths at which more than four decimals are rounded: those of the amounts in decimals."""
    document = json.loads(example.body)
    found = []
    for path, value in fields(document):
        if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
            continue
        made = made_of(example, with_value(document, path, 1234.00001))
        if not isinstance(made, Reject) and any(
            name.startswith(notes.ROUNDED) for name in next(iter(made[1].values())).attributes
        ):
            found.append(path)
    return found


def money_of(made: Outcome) -> list[Decimal | None]:
    assert not isinstance(made, Reject), made
    order = next(iter(made[1].values()))
    names = ("items_total", "discount_total", "tax_total", "shipping_total", "total", "paid_total")
    return [getattr(order, name, None) for name in names]


@pytest.mark.parametrize("platform", sorted(ADAPTERS))
def test_2000_orders_with_sums_of_floats_as_amounts_give_no_dead_letter(platform: str) -> None:
    random_cents = random.Random(platform)  # noqa: S311 - made-up prices
    chosen = [
        (example, json.loads(example.body), amount_paths(example))
        for example in ORDER_EXAMPLES
        if example.platform == platform
    ]
    chosen = [(example, document, paths) for example, document, paths in chosen if paths]
    assert chosen
    dusty = 0
    for number in range(ORDERS // len(ADAPTERS)):
        example, document, paths = chosen[number % len(chosen)]
        floats, exact = copy.deepcopy(document), copy.deepcopy(document)
        for path in paths:
            a, b = random_cents.randrange(10_000), random_cents.randrange(10_000)
            dusty += len(repr(a / 100 + b / 100)) > len("100.01")
            floats = with_value(floats, path, a / 100 + b / 100)
            exact = with_value(exact, path, f"{(a + b) / 100:.2f}")
        assert money_of(made_of(example, floats)) == money_of(made_of(example, exact))
    assert dusty > ORDERS // 100
