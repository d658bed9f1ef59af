"""The figures of a run: wrong rows of each answer, and what each kind of wrongness cost."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tests.answers import compare, kinds
from tests.answers.answer import Answer
from tests.answers.compare import Truth, Wrong
from tests.answers.kinds import CUSTOMERS, KINDS, Found, Log

ZERO = Fraction(0)
NAMES = {
    "hookline": "Hookline",
    "plain": "plain consumer",
    "dbt": "dbt models",
    "faust": "Faust tables",
    "streaming": "streaming view",
}
"""The answers, as columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """An answer beside the truth. ``off``: by currency, the sum of what its rows are off by."""

    customers: Wrong
    carts: Wrong
    off: Mapping[str, Fraction]


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind of wrongness. ``rows``: answer -> wrong rows that it made wrong.

    ``key``: the order or cart that is shown as its example, with ``right`` and what each answer
    gives that has it wrong. ``off``: the greatest difference in money; None where the kind has
    none. ``currency``: of these amounts.
    """

    kind: str
    rows: Mapping[str, int]
    key: str
    right: str
    given: Mapping[str, str]
    off: Fraction | None
    currency: str

    @property
    def is_of_customers(self) -> bool:
        """Whether it shows among customers, else among carts."""
        return KINDS[self.kind][0] == CUSTOMERS


def column(truth: Truth, answer: Answer) -> Column:
    """Compare an answer with the truth."""
    wrong = compare.customers(truth, answer)
    off: dict[str, Fraction] = defaultdict(Fraction)
    for key in wrong.all:
        wanted, got = truth.customers.get(key), answer.customers.get(key)
        if wanted is None or wanted.net is not None:  # else nobody knows what is right
            exact = Fraction(wanted.net or 0) if wanted is not None else ZERO
            off[key[1]] += abs(exact - Fraction((got.net or 0) if got is not None else 0))
    return Column(wrong, compare.carts(truth, answer), dict(sorted(off.items())))


def kind_rows(truth: Truth, answers: Mapping[str, Answer], log: Log) -> list[KindRow]:
    """Return all kinds that occur, each with one example of the run."""
    by_answer = {
        name: kinds.find(name, answer, truth, log)
        for name, answer in answers.items()
        if name != "hookline"
    }
    made = (_kind_row(kind, by_answer, truth) for kind in KINDS)
    return [row for row in made if row is not None]


def _kind_row(
    kind: str, by_answer: Mapping[str, Mapping[str, Found]], truth: Truth
) -> KindRow | None:
    found = {name: kinds_[kind] for name, kinds_ in by_answer.items() if kind in kinds_}
    if not found:
        return None
    keys = {key for each in found.values() for key in each.cases}
    examples = [_example(kind, key, found, truth) for key in keys]
    if not examples:  # rows without an order that explains them
        counts = {name: len(each.rows) for name, each in found.items()}
        shown = min(key for each in found.values() for key in each.rows)
        return KindRow(kind, counts, shown, "", {}, None, "")
    return max(examples, key=lambda row: (len(row.given), row.off or ZERO, row.key))


def _example(kind: str, key: str, found: Mapping[str, Found], truth: Truth) -> KindRow:
    """Return a kind with this order or cart as its example."""
    rows = {name: len(each.rows) for name, each in found.items()}
    cases = {name: each.cases[key] for name, each in found.items() if key in each.cases}
    if key in truth.orders:
        order = truth.orders[key]
        wanted = kinds.right(order)
        amounts = [each for each in cases.values() if not isinstance(each, str)]
        is_unknown = order.money.is_counted and wanted is None
        differences = [abs((each or ZERO) - (wanted or ZERO)) for each in amounts]
        off = None if is_unknown else max(differences)
        text = "unknown" if is_unknown else _money(wanted)
        given = {name: _money(each) for name, each in zip(cases, amounts, strict=True)}
        return KindRow(kind, rows, key, text, given, off, order.state.shop.currency)
    nets = [life.order.money.net for life in truth.lives.get(key, ()) if life.order is not None]
    off = max((net.value for net in nets if net is not None), default=None)
    shown = {name: f"{each}" for name, each in cases.items()}
    lives = truth.lives.get(key)
    currency = lives[0].shop.currency if lives else ""
    return KindRow(kind, rows, key, truth.carts.get(key, "neither"), shown, off, currency)


def _money(amount: Fraction | str | None) -> str:
    return "not counted" if amount is None else f"{float(amount):,.2f}"
