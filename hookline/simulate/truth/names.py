"""Keys of entities in the tables, by the ids that the payloads give.

A guest's key holds a hash of the address, which nobody here can compute: ``Person`` is used
instead, and the comparison checks that equal addresses have equal keys and others do not.
"""

from dataclasses import dataclass

from hookline.simulate.payloads import gooten, spiffy_orders
from hookline.simulate.truth.platforms import gives
from hookline.simulate.world.facts import CartState, Customer, SimulatedShop


@dataclass(frozen=True, slots=True, order=True)
class Person:
    """Whoever has this address; of one shop where ``shop`` is not empty (a guest's key)."""

    address: str
    shop: str = ""


CustomerKey = str | Person


def order_key(shop: SimulatedShop, number: int) -> str:
    """Key of an order."""
    return f"{shop.key}/order:{native_order(shop, number)}"


def native_order(shop: SimulatedShop, number: int) -> str:
    """Id of an order as its platform spells it."""
    if shop.source == "gooten":
        return gooten.order_id(number)
    return f"ord_{number}" if shop.format == "envelope" else f"{number}"


def person(customer: Customer) -> Person:
    """Return who has the customer's address, in any shop."""
    return Person(customer.email.strip().lower())


def customer_key(customer: Customer) -> CustomerKey:
    """Key of a customer, as orders name it."""
    by_number = gives(customer.shop).customer == "number"
    if customer.number is None or not by_number:
        return Person(person(customer).address, customer.shop.key)
    prefix = "cus_" if customer.shop.format == "envelope" else ""
    return f"{customer.shop.key}/customer:{prefix}{customer.number}"


def cart_key(cart: CartState) -> str:
    """Key of a cart; Run Free's is its customer's."""
    return f"{cart.shop.key}/cart:{native_cart(cart)}"


def native_cart(cart: CartState) -> str:
    """Id of a cart as its platform spells it."""
    if cart.shop.source == "run-free":
        return f"{cart.customer.number}"
    if cart.shop.source == "spiffy":
        return spiffy_orders.cart_token(cart.number)
    return f"cart_{cart.number}" if cart.shop.format == "envelope" else f"{cart.number}"
