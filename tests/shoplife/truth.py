"""What an order is worth, by the slow and obvious reading of the law (shared/tables.md).

Nothing of ``processors`` or ``sinks`` is imported: sums are exact fractions, statuses are the
platforms' published lists, and each rule is written once, in the order in which the law has it.
"""

from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from tests.shoplife.life import Kind, Life, Money, Refund, Row, Sent, State, Transaction

CENT = Fraction(1, 100)
_FIELDS = ("lines", "discount", "tax", "shipping", "total", "inside", "refunded_total")

COUNTED, PENDING, CANCELLED = "counted", "pending", "cancelled"
ALL_BACK, PART_BACK = "all back", "part back"


def _list(meaning: str, texts: str) -> dict[str, str]:
    return dict.fromkeys(texts.split(), meaning)


STATUSES = {
    "spiffy": {
        **_list(PENDING, "pending authorized partiallypaid"),
        **_list(COUNTED, "paid"),
        **_list(PART_BACK, "partiallyrefunded"),
        **_list(ALL_BACK, "refunded"),
        **_list(CANCELLED, "voided"),
    },
    "shoprocket": {
        **_list(PENDING, "pending paymentpending"),
        **_list(COUNTED, "paid processing completed"),
        **_list(PART_BACK, "partiallyrefunded"),
        **_list(ALL_BACK, "refunded"),
        **_list(CANCELLED, "failed canceled cancelled voided"),
    },
    "ciklik": {
        **_list(PENDING, "pending increation inprocess needaction"),
        **_list(COUNTED, "completed"),
        **_list(CANCELLED, "failed canceled cancelled"),
    },
}
GOOTEN_UNLISTED = ("vanished", "beingpainted")
GOOTEN_CANCELLED = ("cancelled", "canceled", "canceledrefunded", "billedrefunded")


def letters(text: str | None) -> str:
    """Compare texts without case, blanks, hyphens and underscores."""
    return "".join(filter(str.isalpha, text or "")).lower()


def row(life: Life) -> Row:
    """The row of an order after all its deliveries."""
    states = [what for what in _by_version(life) if isinstance(what, State)]
    if life.is_test:
        return Row(revenue_status="TEST")
    if life.is_draft:
        return Row(revenue_status="DRAFT")
    if not life.counts_as_sale:
        return Row(revenue_status="NOT_A_SALE")
    meaning = _meaning(life, states)
    if meaning == CANCELLED:
        return Row(revenue_status="CANCELLED", gross=Decimal(0), net=Decimal(0))
    money = _money(life, states, _merged(life, states), meaning)
    if meaning == PENDING:
        return Row(revenue_status="PENDING", pending=money.net, reason=money.reason)
    return money


def _by_version(life: Life) -> list[State | Transaction]:
    """What was sent, oldest version first."""
    versions = {arrival: _version(sent, arrival) for arrival, sent in enumerate(life.sent)}
    return [life.sent[arrival].what for arrival in sorted(versions, key=versions.__getitem__)]


def _version(sent: Sent, arrival: int) -> tuple[int, ...]:
    """(time of the state bounded by the append time, change, append time, arrival)."""
    appended = sent.appended * 1000
    at = appended if sent.what.at is None else min(sent.what.at, appended)
    return (at, int(sent.what.kind), appended, arrival)


def _merged(life: Life, states: list[State]) -> State:
    """Each field from the newest state that gives it."""
    own = ("discount",) if life.discounts_lines else ()  # a part of the lines
    newest = State(event="", kind=Kind.CREATED, at=None, created=0, status=None, is_whole=False)
    for state in states:
        if state.is_whole:
            given = {name: getattr(state, name) for name in _FIELDS}
            given = {name: v for name, v in given.items() if v is not None or name in own}
            newest = replace(newest, is_whole=True, **given)
    return newest


def _meaning(life: Life, states: list[State]) -> str:
    """Whether the order counts, by the newest status that is on the platform's list."""
    if life.source == "run-free":
        return COUNTED
    cancelled, deleted, known = False, False, ""
    for state in states:
        if state.kind is Kind.DELETED:
            deleted = True
            continue
        if state.gives_cancelled:  # the whole order: null takes an earlier time back
            cancelled = state.cancelled_at is not None
        if meaning := _status_meaning(life, state):
            # A refund, by the event's name alone, brings no cancelled or deleted order back.
            by_name = state.event == "order.refunded" and state.status is None
            deleted = deleted and by_name
            known = CANCELLED if by_name and known == CANCELLED else meaning
    if deleted or cancelled:
        return CANCELLED
    return known or (COUNTED if life.source == "gooten" else PENDING)


def _status_meaning(life: Life, state: State) -> str:
    """What a state's status means; empty where it is on no list or not given."""
    if life.source == "gooten":
        left = [letters(line.status) for line in state.lines]
        left = [status for status in left if status not in GOOTEN_CANCELLED]
        if all(status in GOOTEN_UNLISTED for status in left):
            return "" if left else CANCELLED
        return COUNTED
    if state.event == "orders/cancelled" and not state.gives_cancelled:
        return CANCELLED  # by name, where nothing else gives it
    verb = state.event.partition(".")[2] if life.format == "envelope" else ""
    dated = verb == "cancelled" and state.cancelled_at is not None
    if verb in ("cancelled", "paid") and not dated:
        return CANCELLED if verb == "cancelled" else COUNTED
    if state.status is None and verb == "refunded":
        is_all = state.refunded_total is not None and state.refunded_total == state.total
        return ALL_BACK if is_all else PART_BACK
    return STATUSES[life.source].get(letters(state.status), "")


def _money(life: Life, states: list[State], newest: State, meaning: str) -> Row:
    lines = [line for line in newest.lines if not line.is_deleted]
    if life.source == "gooten":
        lines = [line for line in lines if letters(line.status) not in GOOTEN_CANCELLED]
    if not newest.is_whole:
        return Row(revenue_status="COUNTED", reason="items-unknown")
    listed = sum((Fraction(line.total) for line in lines), Fraction(0))
    goods = sum((Fraction(line.total) for line in lines if not line.is_gift_card), Fraction(0))
    discount, shipping = Fraction(newest.discount or 0), Fraction(newest.shipping or 0)
    tax, total = _fraction(newest.tax), _fraction(newest.total)
    inside, basis = _tax_inside(life, newest, listed - discount + shipping, tax, total)

    reason = "discount-exceeds-goods" if discount > goods else None
    discount = min(discount, goods)
    base = goods - discount  # with the tax that the prices include
    untaxed = base
    if inside and base > 0:
        if tax is None or tax > base:  # more than the prices cannot be in them
            return Row(revenue_status="COUNTED", reason="tax-unknown", tax_basis=basis)
        untaxed = base - tax
    gross = goods if base == 0 else goods * untaxed / base
    if total is None:
        total = base + (listed - goods) + shipping + (Fraction(0) if inside else tax or 0)
    back = _refunded(life, states, newest, inside=inside, base=base, untaxed=untaxed, total=total)
    if back is None and meaning == PART_BACK and untaxed > 0:
        return Row(revenue_status="COUNTED", reason="refund-unknown", tax_basis=basis)
    if back is None:
        back = untaxed if meaning == ALL_BACK else Fraction(0)
    return Row(
        revenue_status="COUNTED",
        gross=_decimal(gross),
        discounts=_decimal(gross - untaxed),
        refunded=_decimal(back),
        net=_decimal(untaxed - back),
        reason=reason,
        tax_basis=basis,
    )


def _tax_inside(
    life: Life,
    newest: State,
    without_tax: Fraction,
    tax: Fraction | None,
    total: Fraction | None,
) -> tuple[bool, str]:
    """Whether prices include tax, and who decides: payload, setting, sums, platform."""
    if newest.inside is not None:
        return newest.inside, "PAYLOAD"
    if life.taxes_included is not None:
        return life.taxes_included, "SETTING"
    if tax and total is not None:
        if abs(without_tax - total) <= CENT:
            return True, "SUMS"
        if abs(without_tax + tax - total) <= CENT:
            return False, "SUMS"
    return False, "DEFAULT"


def _refunded(
    life: Life,
    states: list[State],
    newest: State,
    *,
    inside: bool,
    base: Fraction,
    untaxed: Fraction,
    total: Fraction,
) -> Fraction | None:
    """What goes off the net; None where no amount is given at all."""
    lines_back = covered = money = Fraction(0)
    is_given = False
    for refund in _refunds(states):
        if refund.outcome != "success":
            continue
        is_given = True
        goods, tax = Fraction(refund.goods or 0), _fraction(refund.tax)
        if refund.failed and Fraction(refund.money or 0) < goods:
            goods, tax = Fraction(0), None  # the money is of some of the lines only
        own = goods
        if inside and goods:
            part = goods * untaxed / base if base else Fraction(0)
            own = goods - tax if tax is not None else part
        lines_back += own
        beside = goods + (Fraction(0) if inside else tax or Fraction(0)) + Fraction(refund.shipping)
        covered += beside
        if refund.money is not None:
            money += max(Fraction(0), Fraction(refund.money) - beside)
        money += Fraction(refund.extra)
    running = _running_total(life, newest)
    if running is not None:
        is_given = True
        money = max(Fraction(0), running - covered)
    if not is_given:
        return None
    goodwill = money * untaxed / total if total else Fraction(0)
    return min(untaxed, lines_back + goodwill)


def _refunds(states: list[State]) -> list[Refund]:
    """The order's refunds by id, each as the newest state has it."""
    by_id: dict[str, Refund] = {}
    for state in states:
        given = [*(state.refunds or ()), *([state.refund] if state.refund else [])]
        for number, refund in enumerate(given):
            of_units = state.lines[0].price * refund.units if refund.units else refund.goods
            by_id[refund.refund_id or f"#{number}"] = replace(refund, goods=of_units)
    return list(by_id.values())


def _running_total(life: Life, newest: State) -> Fraction | None:
    """Shoprocket's own total, or what Ciklik's transactions of the order gave back."""
    if life.source != "ciklik":
        return _fraction(newest.refunded_total)
    newest_of: dict[int, Transaction] = {}
    for what in _by_version(life):
        if isinstance(what, Transaction):
            older = newest_of.get(what.number, what)
            refunded = older.refunded if what.refunded is None else what.refunded
            newest_of[what.number] = replace(what, refunded=refunded)
    back = [
        Fraction(each.amount if each.refunded is None else each.refunded)
        for each in newest_of.values()
        if each.refunded or (each.is_refunded and each.refunded is None)
    ]
    return sum(back, Fraction(0)) if back else None


def _fraction(value: Money | None) -> Fraction | None:
    return None if value is None else Fraction(value)


def _decimal(value: Fraction) -> Money:
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return exact.quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)
