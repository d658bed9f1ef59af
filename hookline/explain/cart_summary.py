"""Why a cart is in the tables or not, in sentences: of the stored rows, without its events."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hookline.explain.merged_carts import counts_in_rates
from schemas.events import Micros
from sinks.carts.records import CartStatus, Detection, Generation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cart_summary(
    rows: Sequence[Generation], merged: Mapping[tuple[str, int], str]
) -> tuple[str, ...]:
    """Return a sentence or more for each generation: in ``abandoned_carts`` or not, and why.

    ``rows``: the generations of one cart, in order. ``merged``: of ``merged_carts.merged_into``.
    """
    if not rows:
        return (
            (
                "Not in abandoned_carts: no event of it ever showed an item, and an empty cart is"
                " not left"
            ),
        )
    numbered = len(rows) > 1
    return tuple(
        f"{f'Generation {row.generation}: ' if numbered else ''}{text}"
        for row in rows
        for text in (_place(row), _counted(row, merged.get((row.cart_key, row.generation))))
    )


def _place(row: Generation) -> str:
    if not row.was_abandoned:
        return f"Not in abandoned_carts: {_never_left(row)}"
    return f"In abandoned_carts as {row.status}: {'; '.join(_left(row))}"


def _never_left(row: Generation) -> str:
    if row.status is CartStatus.CONVERTED:
        return f"{row.order_key} closed it at {_utc(row.closed_at)}, before it was left"
    if row.status is CartStatus.EMPTIED:
        return f"it was emptied at {_utc(row.closed_at)}, before it was left"
    if row.status is CartStatus.ACTIVE:
        if row.next_due is None:
            return "it is in use"
        return f"it is in use; without activity it counts as left at {_utc(row.next_due)}"
    return f"it is {row.status}, and was never left"


def _left(row: Generation) -> Iterator[str]:
    times = "" if row.abandon_count == 1 else f", the last of {row.abandon_count} times"
    by = (
        "as its platform reported"
        if row.detection is Detection.PLATFORM
        else "after a silence with items in it"
    )
    yield f"left at {_utc(row.abandoned_at)}{times}, {by}"
    if row.status is CartStatus.ABANDONED:
        yield "open: no order has closed it" + (
            "" if row.next_due is None else f", and it expires at {_utc(row.next_due)}"
        )
    elif row.status is CartStatus.EXPIRED:
        yield f"no order came in time: expired at {_utc(row.closed_at)}"
    elif row.status is CartStatus.EMPTIED:
        yield f"emptied at {_utc(row.closed_at)}"
    elif row.status is CartStatus.ACTIVE:
        yield "active again since"
    elif row.status is CartStatus.RECOVERED:
        yield _recovered(row)


def _recovered(row: Generation) -> str:
    after = (
        ""
        if row.time_to_recover is None
        else f", {timedelta(seconds=row.time_to_recover // 1_000_000)} after it was left"
    )
    text = f"recovered at {_utc(row.closed_at)} by {row.order_key}{after}"
    if not row.came_back:
        return f"{text}, which is {row.order_standing} since: it brought nothing back"
    if row.recovered_value is None:
        return f"{text}, of unknown net"
    return f"{text}, net {_amount(row.recovered_value)} {row.currency or ''}".rstrip()


def _counted(row: Generation, merged: str | None) -> str:
    if row.is_test:
        return "Counts nowhere: it is a test"
    if merged is not None:
        return f"Counts once in the rates, with {merged}, which took its items over"
    if counts_in_rates(row):
        return "Counts in the rates of the day on which it was first seen"
    if row.detection is Detection.PLATFORM:
        return (
            "Counts in the money, not in the rates: its platform reports only carts that were left"
        )
    return "Counts not in the rates: it holds no item"


def _utc(micros: Micros | None) -> str:
    if micros is None:
        return "an unknown time"
    return f"{_EPOCH + timedelta(microseconds=micros):%Y-%m-%d %H:%M:%S} UTC"


def _amount(value: Decimal) -> str:
    return f"{value.normalize():f}"
