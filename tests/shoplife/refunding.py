"""Refunds of all shapes: lines, money, both, failed, pending, by the status alone, running."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

from tests.shoplife.life import ZERO, Kind, Life, Money, Refund, State, Transaction

CENT = Decimal("0.01")
CREATED = 1_772_000_000_000_000
"""When transactions were created: dates the creation where nothing else is given."""
Next = Callable[[State], State]
_NAMED = ("refunded", "partially_refunded")


def spiffy(chance: Random, drawn: Life, states: Sequence[State]) -> Next:
    """One more refund; or an earlier pending one succeeds; or the status alone."""

    def step(state: State) -> State:
        given = list(state.refunds or ())
        pending = [index for index, each in enumerate(given) if each.outcome == "pending"]
        if pending and chance.random() < 0.5:
            given[pending[0]] = replace(given[pending[0]], outcome="success")
            return replace(state, refunds=tuple(given), event="orders/updated")
        if not given and chance.random() < 0.25:
            return replace(state, refunds=chance.choice((None, ())), status=chance.choice(_NAMED))
        by_status = any(each.status in _NAMED and not each.refunds for each in states)
        outcome = (
            "success" if by_status else chance.choice(("success",) * 4 + ("failure", "pending"))
        )
        number = str(100 + len(given)) if chance.random() < 0.9 else None
        refund = _refund(chance, drawn, state)
        if refund.money is None or refund.failed:
            outcome = "success"  # lines without a transaction went back
        given.append(replace(refund, refund_id=number, outcome=outcome))
        named = outcome == "success" and chance.random() < 0.67
        status = chance.choice(_NAMED) if named else state.status
        return replace(state, refunds=tuple(given), status=status, cancelled_at=None)

    return step


def _refund(chance: Random, drawn: Life, state: State) -> Refund:  # noqa: PLR0911 - one a shape
    goods = sum((line.total for line in state.lines if not line.is_gift_card), ZERO)
    base = max(goods - (state.discount or ZERO), ZERO)
    part = (base * chance.randrange(1, 101) / 100).quantize(CENT)
    tax = (state.tax or ZERO) * part / base if base else ZERO
    tax = tax.quantize(CENT)
    shipping = min(state.shipping or ZERO, Decimal(chance.choice((0, 0, 2, 5))))
    extra = (Decimal(chance.choice((0, 0, 1, 7))) + CENT * chance.randrange(100)).quantize(CENT)
    shape = chance.choice(
        ("lines", "lines and money", "money", "everything", "all", "units", "part failed",
         "adjusted", "gift cards")
    )  # fmt: skip
    total = state.total or ZERO
    if shape == "units" and not drawn.discounts_lines:
        return Refund(None, "success", units=chance.randrange(1, state.lines[0].quantity + 1))
    if shape == "part failed":
        goods_, paid = chance.choice((None, part)), min(total, part, extra)
        return Refund(None, "success", money=paid, goods=goods_, failed=extra + CENT)
    if shape == "adjusted":
        return Refund(None, "success", goods=part, shipping=shipping, extra=extra)
    if shape == "gift cards":
        return Refund(None, "success", money=part, goods=part, cards=extra + CENT)
    if shape == "lines":
        return Refund(None, "success", goods=part, tax=chance.choice((tax, None)))
    if shape == "lines and money":
        return Refund(None, "success", money=part + tax, goods=part, tax=tax)
    if shape == "money":
        return Refund(None, "success", money=min(extra, total))
    if shape == "all":
        return Refund(None, "success", money=total)
    money = part + tax + shipping + extra
    return Refund(None, "success", money=money, goods=part, tax=tax, shipping=shipping)


def shoprocket(chance: Random, drawn: Life, states: Sequence[State]) -> Next:
    """The envelope's refund: an object with an id, a running total of the order, or both."""
    running = drawn.seed % 2 == 0

    def step(state: State) -> State:
        unit = Decimal(1) if drawn.currency == "JPY" else CENT
        total = state.total or ZERO
        money = (total * chance.randrange(1, 101) / 100).quantize(unit)
        if not money:
            return state  # nothing was paid
        number = str(sum(each.refund is not None for each in states) + 1)
        outcome = "success" if running else chance.choice(("success",) * 4 + ("failure", "pending"))
        refund = Refund(number, outcome, money=money)
        if chance.random() < 0.4:
            refund = _with_lines(chance, refund, state, unit)
        if not running:
            event = "order.refunded" if outcome == "success" else state.event
            return replace(state, refund=refund, event=event, status=_named(refund, state))
        refunded = min(
            (state.refunded_total or ZERO) + money, max(total, state.refunded_total or ZERO)
        )
        return replace(
            state, event="order.refunded", refunded_total=refunded,
            status=_named(refund, state) if drawn.dates_cancellations else None,
            refund=chance.choice((None, refund)),
        )  # fmt: skip

    return step


def _with_lines(chance: Random, refund: Refund, state: State, unit: Money) -> Refund:
    """The same money with the lines, the tax and the shipping that it is for, or some of them."""
    money = refund.money or ZERO
    goods = (money * chance.randrange(1, 101) / 100).quantize(unit)
    tax = chance.choice(
        (None, ((state.tax or ZERO) * goods / (state.total or money)).quantize(unit))
    )
    return replace(refund, goods=goods, tax=tax, shipping=chance.choice((ZERO, Decimal(1))))


def _named(refund: Refund, state: State) -> str | None:
    if refund.outcome != "success":
        return state.status
    return "refunded" if refund.money == state.total else "partially_refunded"


def by_status(chance: Random) -> Next:
    """Shoprocket's older format has no amounts of refunds."""
    return lambda state: replace(state, status=chance.choice(_NAMED))


def transactions(chance: Random, states: Sequence[State | Transaction]) -> list[Transaction]:
    """Ciklik's transactions that name the order; some of them give money back."""
    total: Money = next(s.total or ZERO for s in states if isinstance(s, State))
    dated = chance.random() < 0.5
    made: list[Transaction] = []
    for number in range(1, chance.choice((1, 1, 2, 3))):
        at = 1_772_366_500_000_000 + number * 10**6 if dated else None
        first = Transaction(
            number=number, kind=Kind.CREATED, at=CREATED if at is None else at, is_dated=dated,
            amount=total,
        )  # fmt: skip
        made.append(first)
        for later in range(chance.choice((0, 1, 2))):
            back = (total * chance.randrange(0, 101) / 100).quantize(CENT)
            made.append(
                replace(
                    first,
                    kind=Kind.UPDATED,
                    at=None if at is None else at + (later + 1) * 3600 * 10**6,
                    is_refunded=bool(back),
                    refunded=None if back == total else back,
                )
            )
    return made
