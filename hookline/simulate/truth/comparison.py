"""Where the rows of tables differ from the expected ones: by table, row and column."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hookline.simulate.truth.amounts import Amount
from hookline.simulate.truth.expected import Expected, Key, Row
from hookline.simulate.truth.names import Person
from hookline.simulate.truth.spans import Span
from hookline.simulate.world.facts import Micros

TABLES: dict[str, tuple[str, ...]] = {
    "orders": ("order_key",),
    "refunds": ("order_key", "position"),
    "customer_lifetime_value": ("customer_key", "currency"),
    "cart_generations": ("cart_key", "generation"),
    "abandoned_carts": ("cart_key", "generation"),
    "people": ("person_key", "currency"),
    "daily_cart_rates": ("source", "shop", "day"),
    "shop_days": ("source", "shop", "day", "currency"),
    "refunds_by_day": ("source", "shop", "day", "currency", "basis"),
    "monthly_cohorts": ("source", "shop", "currency", "cohort_month", "months_since"),
    "coverage": ("source", "shop"),
}
"""Table or view -> columns of its key, in the order in which they are compared."""

_RATE = Fraction(1, 20_000)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs. ``column`` is empty where the whole row is missing or too many."""

    table: str
    key: Key
    column: str
    expected: Any
    actual: Any

    @property
    def kind(self) -> str:
        """``missing``, ``extra`` or ``field``."""
        if self.column:
            return "field"
        return "missing" if self.actual is None else "extra"


@dataclass(slots=True)
class Comparison:
    """Compares table by table. Which hash belongs to which address is learned from the rows."""

    truth: Expected
    compared: int = 0
    _hashes: dict[Person, str] = field(default_factory=dict)
    _people: dict[str, Person] = field(default_factory=dict)

    def table(self, name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Difference]:
        """Yield the differences of a table, given all its rows."""
        expected: dict[Key, tuple[Key, Row]] = {}
        for key, row in self.truth.tables.get(name, {}).items():
            expected[tuple(self._known(part) for part in key)] = key, row
        open_keys = {self._known(key) for key in self.truth.undecided.why}
        if name in self.truth.undecided.why:
            return  # a view of which no row can be decided
        for row in rows:
            key = tuple(row[column] for column in TABLES[name])
            if key[0] in open_keys or self._is_open_shop(name, key):
                expected.pop(key, None)
                continue
            own = expected.pop(key, None)
            self.compared += 1
            if own is None:
                yield Difference(name, key, "", None, dict(row))
                continue
            for column, value in own[1].items():
                if not self._equal(value, row[column]):
                    yield Difference(name, key, column, value, row[column])
        for key, row in expected.values():
            shown = tuple(self._known(part) for part in key)
            if not (shown[0] in open_keys or self._is_open_shop(name, key)):
                yield Difference(name, shown, "", row, None)

    def _is_open_shop(self, name: str, key: Sequence[Any]) -> bool:
        shops = self.truth.undecided.shops
        if name == "people":
            return bool(shops)
        return TABLES[name][0] == "source" and f"{key[0]}/{key[1]}" in shops

    def _known(self, part: Any) -> Any:
        """Return the text that a person has in the tables, once a row has shown it."""
        return self._hashes.get(part, part) if isinstance(part, Person) else part

    def _is_person(self, person: Person, actual: Any) -> bool:
        """Whether one address has one hash, and no other address has it."""
        if not isinstance(actual, str):
            return False
        if person.shop and not actual.startswith(f"{person.shop}/guest:"):
            return False
        known = self._hashes.setdefault(person, actual)
        return known == actual and self._people.setdefault(actual, person) == person

    def _equal(self, expected: Any, actual: Any) -> bool:
        match expected:
            case None:
                return actual is None
            case Amount():
                return isinstance(actual, Decimal | int) and expected.equals(actual)
            case Fraction():
                return actual is not None and abs(expected - Fraction(actual)) <= _RATE
            case Span():
                at = micros(actual)
                return at is not None and expected.holds(at)
            case Person():
                return self._is_person(expected, actual)
        return bool(actual is not None and expected == actual)


def micros(value: Any) -> Micros | None:
    """Return an instant or a duration in microseconds; None for anything else."""
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MICROSECOND
    if isinstance(value, timedelta):
        return value // _MICROSECOND
    return value if isinstance(value, int) and not isinstance(value, bool) else None
