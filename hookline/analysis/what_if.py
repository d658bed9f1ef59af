"""Other settings tried on what happened: the carts of the log folded anew. Pure but ``groups``.

The folds take ``cart_activity`` and ``orders``, which hold every cart event and every order's
state as the log tells them (a rebuild shows it): the same as reading the topics, without
decoding them, and as of one watermark.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hookline.console.output import Told
from hookline.tables import histories
from hookline.tables.histories import Asks
from schemas.events import Micros
from sinks.carts.activity import CandidateOrder, CartHistory, Detection, Generation, Status, fold
from sinks.carts.lines import has_items

_AT_ONCE = 2000
"""Carts whose histories are held at a time."""

_CARTS = "SELECT cart_key, links FROM carts WHERE %s::text IS NULL OR source || '/' || shop = %s"
_ORDERS = """
    SELECT order_key, links FROM orders
    WHERE links <> '{}' AND (%s::text IS NULL OR source || '/' || shop = %s)
"""
Group = tuple[list[str], list[str]]
"""Keys of carts and of orders that must be folded together."""


@dataclass(slots=True)
class Outcome:
    """What one setting would have said of the carts of one currency (None: none is known).

    ``carts`` with items were seen; ``abandoned`` of them would have been called so; of these
    ``came_back`` by themselves afterwards, ``ordered`` of them with an order. ``undecided``:
    silent, but not yet for long enough up to the watermark. Values are of abandoned carts;
    ``without_value`` of them tell none.
    """

    carts: int = 0
    abandoned: int = 0
    came_back: int = 0
    ordered: int = 0
    undecided: int = 0
    without_value: int = 0
    at_stake: Decimal = field(default_factory=Decimal)
    came_back_value: Decimal = field(default_factory=Decimal)

    @property
    def stayed_away(self) -> int:
        """Abandoned and not come back: whom a message could have reached."""
        return self.abandoned - self.came_back

    def add(self, row: Generation) -> None:
        """Count one generation."""
        self.carts += 1
        self.undecided += row.status is Status.ACTIVE and row.next_due is not None
        if not row.abandon_count:
            return
        ordered = row.status is Status.RECOVERED
        later = row.last_activity_at is not None and row.last_activity_at > row.abandonments[0]
        self.abandoned += 1
        self.ordered += ordered
        self.came_back += ordered or later
        if row.cart_value is None:
            self.without_value += 1
            return
        self.at_stake += row.cart_value
        if ordered or later:
            self.came_back_value += row.cart_value


Outcomes = dict[Micros, dict[str | None, Outcome]]
"""abandon_after -> currency -> what it would have said."""


def try_out(
    carts: Sequence[CartHistory],
    orders: Sequence[CandidateOrder],
    settings: Iterable[Micros],
    watermark: Micros,
    since: Micros,
    into: Outcomes,
) -> None:
    """Fold one link group with each ``abandon_after`` (µs) and count its generations.

    Counted are generations first seen at or after ``since``, with items, tests apart, found by
    our timer: those that a platform reports know no setting.
    """
    for abandon_after in settings:
        tried = [
            replace(
                cart,
                activities=tuple(
                    replace(each, abandon_after=abandon_after) for each in cart.activities
                ),
            )
            for cart in carts
        ]
        found = into.setdefault(abandon_after, {})
        for row in fold(tried, orders, watermark):
            if (
                row.detection is Detection.TIMER
                and not row.is_test
                and row.first_seen_at >= since
                and has_items(row.items)
            ):
                found.setdefault(row.currency, Outcome()).add(row)


def backtest(
    reader: Asks,
    settings: Sequence[Micros],
    since: Micros = 0,
    shop: str | None = None,
    progress: Told = lambda _what, _done, _of: None,
) -> Outcomes:
    """All carts, or those of ``source/shop``, with each setting. Holds keys of all, no more."""
    now = histories.watermark(reader)
    everything = groups(reader, shop)
    total = sum(len(carts) for carts, _ in everything)
    outcomes: Outcomes = {each: {} for each in settings}
    done = 0
    for batch in _batches(everything):
        cart_keys = [key for carts, _ in batch for key in carts]
        order_keys = [key for _, orders in batch for key in orders]
        carts = {each.cart_key: each for each in histories.carts(reader, cart_keys)}
        orders = {each.order_key: each for each in histories.orders(reader, order_keys)}
        for mine, ours in batch:  # rows may go between the two looks: a rebuild swaps them
            known = [carts[key] for key in mine if key in carts]
            candidates = [orders[key] for key in ours if key in orders]
            try_out(known, candidates, settings, now, since, outcomes)
        done += len(cart_keys)
        progress("carts", done, total)
    return outcomes


class _Joined:
    """Keys that belong together: each has one root."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._parents

    def root(self, key: str) -> str:
        while (parent := self._parents.setdefault(key, key)) != key:
            self._parents[key] = key = self._parents[parent]
        return key

    def join(self, key: str, links: Iterable[str]) -> None:
        for link in links:
            self._parents[self.root(link)] = self.root(key)


def groups(reader: Asks, shop: str | None = None) -> list[Group]:
    """Carts and orders, as their links put them together; orders without a cart are left out."""
    joined = _Joined()
    cart_rows = reader.ask(_CARTS, [shop, shop]).rows
    for key, links in cart_rows:
        joined.join(f"cart {key}", links)
    order_rows = [
        (key, links)
        for key, links in reader.ask(_ORDERS, [shop, shop]).rows
        if any(link in joined for link in links)
    ]
    for key, links in order_rows:
        joined.join(f"order {key}", links)
    found: defaultdict[str, Group] = defaultdict(lambda: ([], []))
    for key, _ in cart_rows:
        found[joined.root(f"cart {key}")][0].append(key)
    for key, _ in order_rows:
        found[joined.root(f"order {key}")][1].append(key)
    return list(found.values())


def _batches(groups: Sequence[Group]) -> Iterator[list[Group]]:
    batch: list[Group] = []
    size = 0
    for group in groups:
        batch.append(group)
        size += len(group[0])
        if size >= _AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
