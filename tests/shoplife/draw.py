"""Draws the life of an order from a seed: its states, and how they are delivered."""

import random
from dataclasses import replace
from decimal import Decimal

from tests.shoplife import refunding
from tests.shoplife.life import ZERO, Kind, Life, Line, Money, Sent, State, Transaction
from tests.shoplife.steps import PAID, UNLISTED, WAITING, Steps

START = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z
SECOND, HOUR, DAY = 10**6, 3600 * 10**6, 86_400 * 10**6
IN_2040 = 2_209_032_000_000_000
FORMATS = ("spiffy/json", "spiffy/xml", "shoprocket/older", "shoprocket/envelope", "ciklik/api",
    "run-free/", "run-free/with-cards", "gooten/")  # fmt: skip
_WEIGHTS = (10, 2, 4, 5, 5, 2, 1, 3)
CENT = Decimal("0.01")
_GOOTEN = ("New", "Hold", "Address Issue", "Ready For Print", "Printing", "ManuallyInProduction",
    "Out For Delivery", "Shipped", "delivered", "Ready For Image Dl")  # fmt: skip
_GOOTEN_UNLISTED = ("Vanished", "Being Painted")
_GOOTEN_GONE = ("Cancelled", "canceled", "CanceledRefunded", "Billed Refunded")

Chance = random.Random


def life(seed: int) -> Life:
    """The life that belongs to a seed."""
    chance = random.Random(seed)  # noqa: S311 - a seed repeats it
    source, _, kind = chance.choices(FORMATS, _WEIGHTS)[0].partition("/")
    drawn = Life(
        seed=seed,
        number=1000 + seed % 1_000_000,
        source=source,
        format=kind,
        currency=chance.choice(("GBP", "EUR", "JPY", "KWD"))
        if source in ("spiffy", "shoprocket")
        else "USD",
        taxes_included=chance.choice((None, None, None, True, False)),
        counts_as_sale=source != "gooten" or chance.random() < 0.9,
        is_test=source in ("spiffy", "shoprocket") and chance.random() < 0.02,
        is_draft=kind == "older" and chance.random() < 0.03,
        dates_cancellations=chance.random() < (0.85 if source == "spiffy" else 0.5),
        discounts_lines=source == "spiffy" and chance.random() < 0.2,
        sent=(),
    )
    states: list[State | Transaction] = list(_states(chance, drawn))
    drawn = replace(drawn, taxes_included=_consistent_setting(drawn, states))
    if source == "ciklik":
        states += refunding.transactions(chance, states)
    return replace(drawn, sent=_delivered(chance, drawn, states))


def _consistent_setting(drawn: Life, states: list[State | Transaction]) -> bool | None:
    """A Ciklik shop whose lines name a tax rate has prices without tax."""
    named = any(isinstance(state, State) and state.rate for state in states)
    return None if drawn.source == "ciklik" and named else drawn.taxes_included


def _states(chance: Chance, drawn: Life) -> list[State]:
    source = drawn.source
    if source == "run-free":
        return [_contents(chance, drawn, _first(chance, drawn, "order/created"))]
    states = [_contents(chance, drawn, _first(chance, drawn, _created_event(source)))]
    for _ in range(chance.randrange(0, 6)):
        state = _later(chance, drawn, states[-1])
        if source == "gooten" or chance.random() < 0.15:
            gives = drawn.dates_cancellations
            state = replace(state, is_whole=True, gives_cancelled=gives)
            states.append(_contents(chance, drawn, state))
        else:
            states.append(chance.choice(Steps(chance, drawn, states).all())(state))
    return states


def _created_event(source: str) -> str:
    return {"spiffy": "orders/create", "shoprocket": "order.created",
        "ciklik": "created_checkoutorder"}.get(source, "order-item-changed")  # fmt: skip


def _first(chance: Chance, drawn: Life, event: str) -> State:
    source, status = drawn.source, None
    if source in PAID:
        status = chance.choice((*PAID[source], *PAID[source], *WAITING[source]))
        if chance.random() < 0.05:
            status = chance.choice(UNLISTED[source])
    at: int | None = START
    if chance.random() < 0.2 and source == "spiffy":
        at = START + 2 * SECOND  # rendered later than it was created
    return State(
        event=event,
        kind=Kind.UPDATED if source == "gooten" else Kind.CREATED,
        at=None if source == "gooten" else at,
        created=START,
        status=status,
        gives_cancelled=drawn.dates_cancellations,
        inside=chance.choice((None, None, True, False)) if source == "spiffy" else None,
    )


def _later(chance: Chance, drawn: Life, state: State) -> State:
    """The same order some time later; its own time where the platform gives one."""
    event = {"spiffy": "orders/updated", "shoprocket": "order.updated",
        "ciklik": "updated_checkoutorder"}.get(drawn.source, state.event)  # fmt: skip
    after = chance.choice((SECOND, 5 * SECOND, HOUR, DAY))
    at: int | None = max(state.at or 0, state.created) + after
    if drawn.source in ("gooten", "ciklik") or (drawn.format == "older" and chance.random() < 0.15):
        at = None
    elif drawn.source == "spiffy" and chance.random() < 0.03:
        at = IN_2040
    elif state.at is not None and state.at >= IN_2040:
        at = START + 30 * DAY + chance.randrange(DAY)
    return replace(state, event=event, kind=Kind.UPDATED, at=at, refund=None)


def _amount(chance: Chance, drawn: Life, below: int = 20_000) -> Money:
    cents = Decimal(chance.randrange(1, below)) * CENT
    return Decimal(int(cents) + 1) if drawn.currency == "JPY" else cents


def _contents(chance: Chance, drawn: Life, state: State) -> State:
    """Lines, discount, tax, shipping and total, all of them drawn again."""
    source, lines = drawn.source, _lines(chance, drawn)
    goods = sum((x.total for x in lines if not (x.is_gift_card or x.is_deleted)), ZERO)
    listed = sum((x.total for x in lines if not x.is_deleted), ZERO)
    unit = Decimal(1) if drawn.currency == "JPY" or source == "ciklik" else CENT
    discount = _discount(chance, goods, unit)
    if source == "gooten":
        lines = _progress(chance, lines)
        discount = discount or ZERO
    base = max(goods - (discount or ZERO), ZERO)
    inside = chance.random() < 0.5
    rate = chance.choice((0, 0, 5, 10, 20, 25))
    tax = _tax(base, rate, unit=CENT if source == "ciklik" else unit, inside=inside)
    if source != "ciklik" or inside or not tax or drawn.seed % 14 == 0:
        rate = 0  # no line names one
    shipping = chance.choice((ZERO, ZERO, Decimal(5), Decimal("9.00")))
    total = base + (listed - goods) + shipping + (ZERO if inside else tax)
    if chance.random() < 0.07:
        total += Decimal(3)  # a fee that no field names: the sums do not add up
    is_tax_given = source != "gooten" and drawn.seed % 14 > 0
    if is_tax_given and source in ("spiffy", "run-free") and chance.random() < 0.3:
        lines = _with_line_taxes(lines, tax, goods)
    is_run_free = source == "run-free"
    return replace(
        state,
        lines=tuple(lines),
        discount=discount,
        discount_given=None if discount is None else discount * (100 + rate) / 100,
        tax=tax if is_tax_given else None,
        rate=rate,
        shipping=None if is_run_free else shipping,
        total=None if is_run_free else total,
    )


def _lines(chance: Chance, drawn: Life) -> list[Line]:
    """One to three lines; the first one is neither deleted nor a gift card."""
    source, lines = drawn.source, []
    for number in range(1, chance.randrange(2, 5)):
        price = ZERO if chance.random() < 0.05 else _amount(chance, drawn)
        if source == "ciklik" and chance.random() < 0.05:
            price += 1000
        has_cards = source == "spiffy" or drawn.format == "with-cards"
        lines.append(
            Line(
                number,
                price,
                1 if source == "gooten" else chance.choice((1, 1, 2, 3)),
                is_gift_card=has_cards and number > 1 and chance.random() < 0.1,
                is_deleted=source in ("spiffy", "shoprocket")
                and number > 1
                and chance.random() < 0.1,
            )
        )
    if source in ("spiffy", "shoprocket", "run-free") and chance.random() < 0.05:
        lines.append(_adjustment(chance, drawn, lines[0]))
    return lines


def _adjustment(chance: Chance, drawn: Life, of: Line) -> Line:
    """A line that takes a part of another one back, by its price or by its units."""
    part = of.price * chance.randrange(0, 100) / 100
    part = part.quantize(Decimal(1) if drawn.currency == "JPY" else CENT, rounding="ROUND_DOWN")
    units = chance.choice((1, -1))
    return Line(9, -part * units, units)


def _discount(chance: Chance, goods: Money, unit: Money) -> Money | None:
    shape = chance.random()
    if shape < 0.5:
        return chance.choice((ZERO, None))
    if shape < 0.92:
        return (goods * chance.randrange(1, 100) / 100).quantize(unit, rounding="ROUND_DOWN")
    return goods.quantize(unit, rounding="ROUND_UP") + (Decimal(5) if shape > 0.96 else ZERO)


def _tax(base: Money, rate: int, *, unit: Money, inside: bool) -> Money:
    tax = (base * rate / (100 + (rate if inside else 0))).quantize(unit)
    return tax if tax >= Decimal("0.05") else ZERO


def _with_line_taxes(lines: list[Line], tax: Money, goods: Money) -> list[Line]:
    """The order's tax shared out over its lines; gift cards have none."""
    left, shared = tax, []
    for line in lines:
        is_taxed = not (line.is_gift_card or line.is_deleted)
        part = tax * line.total / goods if is_taxed and goods else ZERO
        part = part.quantize(CENT, rounding="ROUND_DOWN")
        shared.append(replace(line, tax=part))
        left -= part
    for index, line in enumerate(shared):
        if not line.is_gift_card:
            shared[index] = replace(line, tax=(line.tax or ZERO) + left)
            break
    return shared


def _progress(chance: Chance, lines: list[Line]) -> list[Line]:
    """Gooten's status of each item."""
    if chance.random() < 0.15:
        return [replace(line, status=chance.choice(_GOOTEN_GONE)) for line in lines]
    if chance.random() < 0.15:
        some = (*_GOOTEN_UNLISTED, chance.choice(_GOOTEN_GONE))
        drawn = [replace(line, status=chance.choice(some)) for line in lines]
        return [replace(drawn[0], status=_GOOTEN_UNLISTED[0]), *drawn[1:]]
    texts = (*_GOOTEN, *_GOOTEN_GONE[:2])
    drawn = [replace(line, status=chance.choice(texts)) for line in lines]
    return [replace(drawn[0], status=chance.choice(_GOOTEN)), *drawn[1:]]


def _delivered(chance: Chance, drawn: Life, states: list[State | Transaction]) -> tuple[Sent, ...]:
    """The deliveries: soon after each state, or all at the end; late, twice, shuffled, lost."""
    last = START + 60 * DAY
    live = chance.random() < 0.5
    sent = []
    for number, state in enumerate(states):
        at = state.at if state.at is not None and state.at < last else START + number * 2 * DAY
        appended = (at if live else last) + (number + 1) * SECOND
        if chance.random() < 0.15:
            appended += chance.randrange(5 * DAY)  # late
        copies = 2 if chance.random() < 0.1 else 1
        sent += [Sent(state, (appended + copy * 7 * SECOND) // 1000) for copy in range(copies)]
    if not live and chance.random() < 0.5:
        times = [each.appended for each in sent]
        chance.shuffle(times)
        sent = [replace(each, appended=at) for each, at in zip(sent, times, strict=True)]
    if len(sent) > 1 and chance.random() < 0.05:
        sent.pop(chance.randrange(len(sent)))
    if drawn.source == "ciklik" and not any(isinstance(each.what, State) for each in sent):
        sent.append(Sent(states[0], last // 1000 + 100_000))
    return tuple(sorted(sent, key=lambda each: each.appended))
