"""What the bounds of times leave open: shown and counted, never compared."""

from dataclasses import dataclass, field

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

    def note_view(self, view: str, error: UndecidedError) -> None:
        """Note that a view cannot be decided."""
        self.why[view] = str(error)
