"""What is in carts and orders: the goods, and what they cost.

All amounts are of exactly two decimals. An order drawn for a spend is worth it to the cent:
goods - discount, without tax.
"""

from dataclasses import dataclass
from decimal import Decimal
from random import Random

from hookline.simulate.world.facts import Line, Money
from hookline.simulate.world.knobs import Behaviour

ZERO = Decimal("0.00")
_RATES = (5, 8, 10, 20, 21, 25)
_SHIPPING = (295, 495, 900, 1200)
_CARDS = (1000, 2500, 5000)
_LEAST_TAX = 5
_EITHER, _TWO_OF_THE_LAST = 0.5, 0.3
_KINDS = (
    "Candle",
    "Mug",
    "Shirt",
    "Jacket",
    "Notebook",
    "Lamp",
    "Blanket",
    "Bottle",
    "Scarf",
    "Bag",
)
_LOOKS = ("plain", "striped", "blue", "green", "large", "small", "soft", "warm", "light", "old")
Product = tuple[int, int, str, str, Money]
"""(product, variant, SKU, title, price in carts)"""


def _products(first: int) -> tuple[Product, ...]:
    """Return products with ids from ``first``; the last one is the gift card."""
    looks = ((kind, look) for kind in _KINDS for look in _LOOKS)
    goods = (
        (
            first + number,
            1_234_000 + number,
            f"{kind[:3].upper()}-{look[:2].upper()}-{number:03d}",
            f"{kind} {look}",
            Decimal(495 + 137 * number % 9500).scaleb(-2),
        )
        for number, (kind, look) in enumerate(looks)
    )
    return (*goods, (first + 999, 1_235_000, "GIFT", "Gift card", ZERO))


_PRODUCTS, _SPIFFYS = _products(9000), _products(327_475_578_523_353_000)


def products(source: str) -> tuple[Product, ...]:
    """Return what shops of a platform sell; Spiffy's product ids are above 2^53."""
    return _SPIFFYS if source == "spiffy" else _PRODUCTS


@dataclass(frozen=True, slots=True)
class Basket:
    """The contents of an order: ``discount`` in its prices; ``total`` is what is paid."""

    lines: tuple[Line, ...]
    discount: Money
    tax: Money
    is_tax_inside: bool
    shipping: Money
    total: Money


def money(cents: int) -> Money:
    """Return cents as an amount of two decimals."""
    return Decimal(cents).scaleb(-2)


def worth(spend: int) -> int:
    """Return cents that an order can be worth: at least one."""
    return max(1, spend)


class Baskets:
    """Draws baskets for shops of one kind.

    ``is_inside``: whether prices include tax, None: either. The flags: whether the platform gives
    taxes, shipping, gift cards, more than one unit of a line.
    """

    def __init__(
        self,
        chance: Random,
        behaviour: Behaviour,
        *,
        source: str,
        is_inside: bool | None,
        has_tax: bool = True,
        has_shipping: bool = True,
        has_cards: bool = False,
        has_units: bool = True,
    ) -> None:
        self._chance, self._behaviour = chance, behaviour
        self._is_inside = is_inside
        *self._products, self._card = products(source)
        self._has_tax, self._has_shipping = has_tax, has_shipping
        self._has_cards, self._has_units = has_cards, has_units

    def of_spend(self, spend: int, first_line: int) -> Basket:
        """Draw an order that is worth ``spend`` cents without tax; lines from ``first_line``."""
        tax, is_inside = self._tax(spend, is_whole=False)
        discount = self._discount(spend)
        goods = spend + discount + (tax if is_inside else 0)
        return self._basket(self._split(goods, first_line), goods, discount, tax, is_inside)

    def of_lines(self, lines: tuple[Line, ...]) -> Basket:
        """Draw the order of a cart's lines."""
        goods = int(sum((line.total for line in lines), ZERO).scaleb(2))
        discount = min(self._discount(goods), goods - 1)
        tax, is_inside = self._tax(goods - discount, is_whole=True)
        return self._basket(lines, goods, discount, tax, is_inside)

    def _basket(
        self, lines: tuple[Line, ...], goods: int, discount: int, tax: int, is_inside: bool
    ) -> Basket:
        chance, behaviour = self._chance, self._behaviour
        shipping = cards = 0
        if self._has_shipping and chance.random() < behaviour.shipped:
            shipping = chance.choice(_SHIPPING)
        if self._has_cards and chance.random() < behaviour.gift_cards:
            cards = chance.choice(_CARDS)
            number = lines[-1].number + 1
            lines = (*lines, _line(number, self._card, money(cards), 1, is_gift_card=True))
        total = goods - discount + (0 if is_inside else tax) + shipping + cards
        return Basket(lines, money(discount), money(tax), is_inside, money(shipping), money(total))

    def _tax(self, base: int, *, is_whole: bool) -> tuple[int, bool]:
        """Return the tax of goods in cents, and whether it is inside; less than 5 cents is none.

        ``is_whole``: ``base`` holds the tax already, where it is inside.
        """
        chance = self._chance
        is_inside = self._is_inside
        if is_inside is None:
            is_inside = chance.random() < _EITHER
        if not self._has_tax or chance.random() >= self._behaviour.taxed:
            return 0, is_inside
        rate = chance.choice(_RATES)
        tax = (base * rate + 50) // (100 + rate if is_whole and is_inside else 100)
        return (tax if tax >= _LEAST_TAX else 0), is_inside

    def _discount(self, spend: int) -> int:
        chance = self._chance
        if chance.random() >= self._behaviour.discounts:
            return 0
        return spend * chance.randrange(5, 41) // 100

    def _split(self, goods: int, first: int) -> tuple[Line, ...]:
        """Return lines that sum to ``goods`` cents; the last one takes what is left."""
        chance = self._chance
        lines = []
        for number in range(first, first + chance.choice((1, 1, 2, 3)) - 1):
            units = chance.choice((1, 1, 2, 3)) if self._has_units else 1
            price = goods * chance.randrange(10, 60) // (100 * units)
            if not price:
                break
            lines.append(_line(number, chance.choice(self._products), money(price), units))
            goods -= price * units
        is_even = self._has_units and goods % 2 == 0
        units = 2 if is_even and chance.random() < _TWO_OF_THE_LAST else 1
        lines.append(
            _line(first + len(lines), chance.choice(self._products), money(goods // units), units)
        )
        return tuple(lines)


def cart_line(chance: Random, source: str, number: int, index: int) -> Line:
    """Draw a line of a cart: the product at ``index`` of the platform's, at its price."""
    goods = products(source)[:-1]
    product = goods[index % len(goods)]
    return _line(number, product, product[4], chance.choice((1, 1, 1, 2, 3)))


def numbered(line: Line, number: int) -> Line:
    """Return a cart's line as a line of its order, which has a number of its own."""
    product = (line.product, line.variant, line.sku, line.title, line.price)
    return _line(number, product, line.price, line.quantity)


def _line(
    number: int,
    product: Product,
    price: Money,
    quantity: int,
    *,
    is_gift_card: bool = False,
) -> Line:
    return Line(
        number=number,
        product=product[0],
        variant=product[1],
        sku=product[2],
        title=product[3],
        price=price,
        quantity=quantity,
        is_gift_card=is_gift_card,
    )
