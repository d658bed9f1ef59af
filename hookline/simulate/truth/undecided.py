"""What the bounds of times leave open: shown and counted, never compared."""

from dataclasses import dataclass, field

from hookline.simulate.truth.names import customer_key, order_key
from hookline.simulate.truth.spans import UndecidedError
from hookline.simulate.world.facts import OrderState


@dataclass(slots=True)
class Undecided:
    """Why something is open, by the first part of the key of its rows; and the shops concerned.

    Rows of these keys are not compared, nor are the views' rows of these shops.
    """

    why: dict[object, str] = field(default_factory=dict)
    shops: set[str] = field(default_factory=set)
    orders: list[OrderState] = field(default_factory=list)
    """One state of each order that is open: its carts and its customer are open, too."""

    def note(self, shop: str, key: object, error: UndecidedError) -> None:
        """Note that a row cannot be decided. ``shop``: its key."""
        self.why[key] = str(error)
        self.shops.add(shop)

    def note_order(self, state: OrderState, error: UndecidedError) -> None:
        """Note that an order cannot be decided, nor what hangs on it: its customer and carts."""
        self.note(state.shop.key, order_key(state.shop, state.number), error)
        self.note(state.shop.key, customer_key(state.customer), error)
        self.orders.append(state)

    def note_view(self, view: str, error: UndecidedError) -> None:
        """Note that a view cannot be decided."""
        self.why[view] = str(error)
