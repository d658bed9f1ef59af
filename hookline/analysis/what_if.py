"""Folds all carts again with other settings.

Reads ``cart_activity`` and ``orders``, which hold every cart event and every order's state: the
same as reading the topics, without decoding them, and as of one watermark.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hookline.console.output import Progress
from hookline.tables import histories
from hookline.tables.queries import Reader
from schemas.events import Micros
from sinks.carts.fold import fold
from sinks.carts.lines import has_items
from sinks.carts.records import CandidateOrder, CartHistory, CartStatus, Detection, Generation

_BATCH_CARTS = 2000
"""Carts in memory with their histories at a time."""

_CARTS = "SELECT cart_key, links FROM carts WHERE %s::text IS NULL OR source || '/' || shop = %s"
_ORDERS = """
    SELECT order_key, links FROM orders
    WHERE links <> '{}' AND (%s::text IS NULL OR source || '/' || shop = %s)
"""
_UNLINKED = """
    SELECT source, shop FROM orders WHERE %s::text IS NULL OR source || '/' || shop = %s
    GROUP BY source, shop HAVING bool_and(links = '{}')
"""
Shop = tuple[str, str]
"""(source, shop)."""
LinkGroup = tuple[list[str], list[str]]
"""Keys of carts and of orders that must be folded together."""


@dataclass(slots=True)
class WhatIfCounts:
    """Counts for one setting and the carts of one currency (None: unknown).

    ``carts``: with items. ``abandoned``: of them, would have been called abandoned; of these
    ``came_back`` by themselves afterwards, ``ordered`` of them with an order that still counts
    or is pending; a cart whose order was cancelled did neither. ``undecided``:
    silent, but not yet long enough by the watermark. Values are those of abandoned carts;
    ``without_value`` of them have none. ``unlinked_carts`` are of shops whose orders name neither
    cart nor customer; the ``without_link`` abandoned ones of them are in no figure of what came
    back, because that cannot be known.
    """

    carts: int = 0
    abandoned: int = 0
    came_back: int = 0
    ordered: int = 0
    undecided: int = 0
    without_value: int = 0
    at_stake: Decimal = field(default_factory=Decimal)
    came_back_value: Decimal = field(default_factory=Decimal)
    unlinked_carts: int = 0
    without_link: int = 0

    @property
    def stayed_away(self) -> int:
        """Abandoned carts that did not come back: a message could have reached their customers."""
        return self.abandoned - self.without_link - self.came_back

    @property
    def is_unlinked(self) -> bool:
        """Whether no order of these shops names a cart or a customer: what came back is unknown."""
        return 0 < self.carts == self.unlinked_carts

    def add(self, row: Generation, *, is_linked: bool = True) -> None:
        """Count one generation. ``is_linked``: orders of its shop name carts or customers."""
        self.carts += 1
        self.unlinked_carts += not is_linked
        self.undecided += row.status is CartStatus.ACTIVE and row.next_due is not None
        if not row.abandon_count:
            return
        ordered = row.came_back
        later = row.last_activity_at is not None and row.last_activity_at > row.abandonments[0]
        if row.status is CartStatus.RECOVERED and not ordered:
            later = False  # its order was cancelled
        self.abandoned += 1
        if not is_linked:
            self.without_link += 1
            ordered = later = False
        self.ordered += ordered
        self.came_back += ordered or later
        if row.cart_value is None:
            self.without_value += 1
            return
        self.at_stake += row.cart_value
        if ordered or later:
            self.came_back_value += row.cart_value


CountsBySetting = dict[Micros, dict[str | None, WhatIfCounts]]
"""abandon_after -> currency -> counts."""


def count_generations(
    carts: Sequence[CartHistory],
    orders: Sequence[CandidateOrder],
    settings: Iterable[Micros],
    watermark: Micros,
    since: Micros,
    into: CountsBySetting,
    unlinked: Container[Shop] = (),
) -> None:
    """Fold one link group with each ``abandon_after`` (µs) and count its generations.

    Counts generations first seen at or after ``since``, with items, except tests and those that
    their platform reports abandoned, which depend on no setting. ``unlinked``: shops whose
    orders name neither cart nor customer.
    """
    for abandon_after in settings:
        changed = [
            replace(
                cart,
                activities=tuple(
                    replace(each, abandon_after=abandon_after) for each in cart.activities
                ),
            )
            for cart in carts
        ]
        counts = into.setdefault(abandon_after, {})
        for row in fold(changed, orders, watermark):
            if (
                row.detection is Detection.TIMER
                and not row.is_test
                and row.first_seen_at >= since
                and has_items(row.items)
            ):
                is_linked = (row.source, row.shop) not in unlinked
                counts.setdefault(row.currency, WhatIfCounts()).add(row, is_linked=is_linked)


def backtest(
    reader: Reader,
    settings: Sequence[Micros],
    since: Micros = 0,
    shop: str | None = None,
    progress: Progress = lambda _what, _done, _total: None,
) -> CountsBySetting:
    """Count all carts, or those of ``source/shop``, with each setting.

    Keeps only the keys of all carts in memory, and the histories of one batch.
    """
    now = histories.watermark(reader)
    unlinked = {(source, name) for source, name in reader.query(_UNLINKED, [shop, shop]).rows}
    all_groups = link_groups(reader, shop)
    total = sum(len(carts) for carts, _ in all_groups)
    counts: CountsBySetting = {each: {} for each in settings}
    done = 0
    for batch in _batches(all_groups):
        cart_keys = [key for carts, _ in batch for key in carts]
        order_keys = [key for _, orders in batch for key in orders]
        carts = {each.cart_key: each for each in histories.carts(reader, cart_keys)}
        orders = {each.order_key: each for each in histories.orders(reader, order_keys)}
        for own_carts, own_orders in batch:
            # Rows may disappear between the queries: a rebuild swaps tables.
            cart_histories = [carts[key] for key in own_carts if key in carts]
            candidates = [orders[key] for key in own_orders if key in orders]
            count_generations(cart_histories, candidates, settings, now, since, counts, unlinked)
        done += len(cart_keys)
        progress("carts", done, total)
    return counts


class _UnionFind:
    """Disjoint sets of keys; each set has one root."""

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


def link_groups(reader: Reader, shop: str | None = None) -> list[LinkGroup]:
    """Return carts and orders grouped by their links; orders without a cart are left out."""
    sets = _UnionFind()
    cart_rows = reader.query(_CARTS, [shop, shop]).rows
    for key, links in cart_rows:
        sets.join(f"cart {key}", links)
    order_rows = [
        (key, links)
        for key, links in reader.query(_ORDERS, [shop, shop]).rows
        if any(link in sets for link in links)
    ]
    for key, links in order_rows:
        sets.join(f"order {key}", links)
    groups: defaultdict[str, LinkGroup] = defaultdict(lambda: ([], []))
    for key, _ in cart_rows:
        groups[sets.root(f"cart {key}")][0].append(key)
    for key, _ in order_rows:
        groups[sets.root(f"order {key}")][1].append(key)
    return list(groups.values())


def _batches(groups: Sequence[LinkGroup]) -> Iterator[list[LinkGroup]]:
    batch: list[LinkGroup] = []
    size = 0
    for group in groups:
        batch.append(group)
        size += len(group[0])
        if size >= _BATCH_CARTS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
