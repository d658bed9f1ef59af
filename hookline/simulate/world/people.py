"""Who buys: names and addresses, and the numbers that a shop gives to what it has."""

from dataclasses import dataclass, field
from random import Random

from hookline.simulate.world.facts import SECOND, Customer, Micros, SimulatedShop
from hookline.simulate.world.knobs import Knobs

FIRST = (
    "Anna", "Amélie", "Ben", "Björn", "Carla", "Chloé", "David", "Elif", "Emma", "Fiona", "Georg",
    "Hannah", "Igor", "Inès", "Jack", "João", "Jürgen", "Katarzyna", "Lena", "Léo", "Marie", "Max",
    "Nora", "Olga", "Oscar", "Paul", "Priya", "Quentin", "Rosa", "Søren", "Sofia", "Thomas", "Uma",
    "Victor", "Wendy", "Xavier", "Yara", "Zoë",
)  # fmt: skip
LAST = (
    "Abbott", "Bauer", "Castro", "Dubois", "Eriksen", "Fischer", "García", "Hughes", "Ivanova",
    "Jensen", "Kowalski", "Lefèvre", "Moulin", "Müller", "Novak", "O'Neill", "Papadopoulos",
    "Quinn", "Rossi", "Schäfer", "Taylor", "Ünal", "Vasquez", "Walsh", "Young", "Zimmermann",
)  # fmt: skip
_DOMAINS = ("example.com", "example.org", "example.net")
_REMEMBERED = 64
_FIRST_NUMBERS = {"spiffy": 450_700_000, "run-free": 448_000, "shoprocket": 700, "ciklik": 230_000}


@dataclass(slots=True)
class ShopNumbers:
    """The next numbers of a shop; each of an entity's numbers occurs once in it."""

    shop: SimulatedShop
    customers: int = 1000
    orders: int = 1000
    carts: int = 1000
    lines: int = 1
    refunds: int = 500_000
    subscriptions: int = 60_000
    transactions: int = 880_000
    precision: Micros = SECOND

    def __post_init__(self) -> None:
        """Begin where the platform's samples are; Run Free's times have milliseconds."""
        self.orders = _FIRST_NUMBERS.get(self.shop.source, 1000)
        if self.shop.source == "run-free":
            self.precision = SECOND // 1000

    def next(self, kind: str) -> int:
        """Return the next number of ``customers``, ``orders`` …."""
        number: int = getattr(self, kind) + 1
        setattr(self, kind, number)
        return number

    def clock(self, at: Micros) -> Micros:
        """Return a time as the platform writes it: in whole seconds or milliseconds."""
        return at - at % self.precision


@dataclass(slots=True)
class People:
    """Makes customers; some of them are customers of another shop already."""

    knobs: Knobs
    chance: Random
    count: int = 0
    _recent: list[tuple[str, str, set[str]]] = field(default_factory=list)

    def customer(self, numbers: ShopNumbers, at: Micros, *, can_be_guest: bool) -> Customer:
        """Make a customer of a shop, who is known to it from ``at`` on."""
        chance, behaviour, shop = self.chance, self.knobs.behaviour, numbers.shop
        name, email = self._person(shop)
        is_guest = shop.source == "gooten" or (can_be_guest and chance.random() < behaviour.guests)
        return Customer(
            shop=shop,
            number=None if is_guest else numbers.next("customers"),
            email=email,
            name=name,
            created_at=numbers.clock(at),
        )

    def _person(self, shop: SimulatedShop) -> tuple[str, str]:
        chance = self.chance
        if self._recent and chance.random() < self.knobs.behaviour.same_person:
            name, email, known_to = chance.choice(self._recent)
            if shop.key not in known_to:
                known_to.add(shop.key)
                return name, email
        self.count += 1
        first, last = chance.choice(FIRST), chance.choice(LAST)
        email = f"buyer{self.count}.{self.knobs.seed}@{_DOMAINS[self.count % len(_DOMAINS)]}"
        person = (f"{first} {last}", email, {shop.key})
        if len(self._recent) < _REMEMBERED:
            self._recent.append(person)
        else:
            self._recent[self.count % _REMEMBERED] = person
        return person[0], email
