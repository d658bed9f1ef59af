"""What ``hookline why`` shows of every customer and cart, against the rows themselves."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from hookline.explain import explain
from hookline.explain.cart_timeline import timeline
from hookline.explain.merged_carts import counts_in_rates, merged_into
from hookline.explain.story import story_of
from hookline.tables import histories
from hookline.tables.queries import Reader

_NET = re.compile(r"net (\S+) = gross (\S+) - discounts (\S+) - refunded (\S+)")
_PENDING = re.compile(r"would be worth (\S+) once paid: .*")
_TAKES = re.compile(r"refund.*: takes (\S+) off net")
_TOTAL = re.compile(r"net (\S+) = the net of (\d+) of (\d+) counted orders \((\S+)\)")
_LESS = re.compile(r".*net_less_reported_refunds (\S+) = net - (\S+) of it that no payment gives")


def differences(reader: Reader) -> list[str]:
    """Where an explanation does not end in the numbers of its rows, in words."""
    return [*_carts(reader), *_customers(reader)]


def _carts(reader: Reader) -> Iterator[str]:
    now = histories.watermark(reader)
    counted: Counter[tuple[str, str]] = Counter()
    for (key,) in reader.query("SELECT cart_key FROM carts ORDER BY 1").rows:
        carts, orders = histories.group(reader, key)
        changed: dict[tuple[int, str], Any] = {}
        for moment in timeline(key, carts, orders, now):
            changed |= {(each.generation, each.name): each.after for each in moment.changes}
        rows = histories.generations(reader, [key])
        for row in rows:
            for (number, name), shown in changed.items():
                if number == row.generation and shown != getattr(row, name):
                    yield f"{key} {number}: {name} is {getattr(row, name)}, shown is {shown}"
            if changed.get((row.generation, "status")) != row.status:
                yield f"{key} {row.generation}: {row.status} is not shown"
        merged = merged_into(reader, rows)
        yield from _summary(reader, key)
        for row in rows:
            if counts_in_rates(row) and (key, row.generation) not in merged:
                counted[row.source, row.shop] += 1
    rates = reader.query("SELECT source, shop, sum(carts)::int FROM daily_cart_rates GROUP BY 1, 2")
    in_rates = {(source, shop): carts for source, shop, carts in rates.rows}
    if in_rates != dict(counted):
        yield f"rates count {in_rates}, what is shown as merged leaves {dict(counted)}"


def _summary(reader: Reader, key: str) -> Iterator[str]:
    """Hold what the story says first against the table itself."""
    found = story_of(reader, key)
    in_table = reader.query("SELECT count(*) FROM abandoned_carts WHERE cart_key = %s", [key])
    summary = () if found is None else found.summary
    shown = sum("In abandoned_carts" in text for text in summary)
    if shown != in_table.rows[0][0]:
        yield f"{key}: {shown} rows are said to be in the table of {in_table.rows[0][0]}"


def _customers(reader: Reader) -> Iterator[str]:
    rows = 0
    for (key,) in reader.query("SELECT customer_key FROM customers ORDER BY 1").rows:
        explained = explain.customer(reader, key)
        for each in explained["rows"]:
            rows += 1
            yield from (f"{key} {each['row']['currency']}: {text}" for text in _row(each))
        for order in explained["orders"]:
            yield from (f"{order['key']}: {text}" for text in _order(order))
    stored = reader.query("SELECT count(*) FROM customer_lifetime_value").rows[0][0]
    if rows != stored:
        yield f"{rows} rows of customers are shown, {stored} are stored"


def _row(explained: Mapping[str, Any]) -> Iterator[str]:
    row, sums, rules = explained["row"], explained["sums"], explained["rules"]
    for name, value in sums.items():
        if row[name] != value:
            yield f"{name} is {row[name]}, its orders give {value}"
    (total,) = _matches(_TOTAL, rules)
    if (_amount(total[0]), int(total[2]), _amount(total[3])) != (
        row["net"], row["orders_count"], row["net"],
    ):  # fmt: skip
        yield f"{total} is shown of {row['net']} by {row['orders_count']}"
    less = row["net_less_reported_refunds"]
    shown = [_amount(each[0]) for each in _matches(_LESS, rules)]
    if shown != ([] if less is None else [less]):
        yield f"net_less_reported_refunds is {less}, shown is {shown}"


def _order(order: Mapping[str, Any]) -> Iterator[str]:
    row, rules = order["row"], order["rules"]
    if not rules[0].startswith(row["standing"]):
        yield f"{row['standing']} is shown as {rules[0]}"
    shown = [[_amount(part) for part in each] for each in _matches(_NET, rules)]
    zero = Decimal(0)
    parts = [row["net"], *(row[name] or zero for name in ("gross", "discounts", "refunded"))]
    if shown != ([parts] if row["standing"] == "COUNTED" and row["net"] is not None else []):
        yield f"net is {parts}, shown is {shown}"
    pending = [_amount(each[0]) for each in _matches(_PENDING, rules)]
    if pending != ([] if row["pending"] is None else [row["pending"]]):
        yield f"pending is {row['pending']}, shown is {pending}"
    takes = [_amount(each[0]) or zero for each in _matches(_TAKES, rules)]
    if sum(takes, zero) != (row["refunded"] or zero):
        yield f"refunded is {row['refunded']}, shown is {takes}"


def _matches(pattern: re.Pattern[str], rules: Sequence[str]) -> list[tuple[str, ...]]:
    return [match.groups() for rule in rules if (match := pattern.fullmatch(rule))]


def _amount(text: str) -> Decimal | None:
    return None if text == "null" else Decimal(text)
