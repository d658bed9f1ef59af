"""The life of one order, without any platform's spelling.

``State`` is what a shop knows of the order at one time; ``Sent`` is one delivery of it. The
payloads are rendered from it (``spiffy.py`` and others), the expected row is computed from it
(``truth.py``): neither sees the other.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

Money = Decimal
ZERO = Decimal(0)


class Kind(IntEnum):
    """The change; of two states of one time the greater is the newer."""

    CREATED = 0
    UPDATED = 2
    DELETED = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One line; ``price`` is of one unit, ``tax`` of the whole line (None: not given)."""

    number: int
    price: Money
    quantity: int
    is_gift_card: bool = False
    tax: Money | None = None
    is_deleted: bool = False
    status: str | None = None

    @property
    def total(self) -> Money:
        """The line before discounts."""
        return self.price * self.quantity


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund. ``money`` None: no transaction. ``goods`` None: no lines; as the prices are."""

    refund_id: str | None
    outcome: str  # success, pending or failure
    money: Money | None = None
    goods: Money | None = None
    tax: Money | None = None
    shipping: Money = ZERO
    failed: Money = ZERO  # of another transaction, which failed
    cards: Money = ZERO  # of gift cards, which went back with it
    units: int = 0  # of the first line, without a value: ``goods`` is theirs
    extra: Money = ZERO  # beyond lines and shipping, as an adjustment without transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The order at one time. None is not given, unless a comment says otherwise."""

    event: str
    kind: Kind
    at: int | None  # time of the state as the payload gives it, microseconds; None: no time
    created: int
    status: str | None
    lines: tuple[Line, ...] = ()
    discount: Money | None = None  # what comes off the goods
    discount_given: Money | None = None  # the same as the payload spells it
    tax: Money | None = None
    rate: int = 0  # per cent
    shipping: Money | None = None
    total: Money | None = None
    inside: bool | None = None  # the payload's own flag
    cancelled_at: int | None = None  # None: explicitly null, if ``gives_cancelled``
    gives_cancelled: bool = False
    refunds: tuple[Refund, ...] | None = None
    refunded_total: Money | None = None
    refund: Refund | None = None  # of this event alone (Shoprocket)
    is_whole: bool = True  # False: only an id (a deletion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A Ciklik transaction that names the order; ``at`` None: dated by its arrival.

    ``is_dated``: the payload gives ``at`` as the time of its last change.
    """

    number: int
    kind: Kind
    at: int | None
    is_dated: bool
    amount: Money
    is_refunded: bool = False
    refunded: Money | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery: a state of the order or a transaction, appended at ``appended`` (ms)."""

    what: State | Transaction
    appended: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """An order and its deliveries in the order of their arrival."""

    seed: int
    number: int
    source: str
    format: str  # the platform's format where it has several
    currency: str
    taxes_included: bool | None  # the shop's settings
    counts_as_sale: bool
    is_test: bool
    is_draft: bool
    sent: tuple[Sent, ...]
    dates_cancellations: bool = True  # the payload has the time of the cancellation, or null
    discounts_lines: bool = False  # the discount is the first line's, not the order's


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the tables have of an order, as far as it is compared."""

    revenue_status: str
    gross: Money | None = None
    discounts: Money | None = None
    refunded: Money | None = None
    net: Money | None = None
    pending: Money | None = None
    reason: str | None = None
    tax_basis: str | None = None
