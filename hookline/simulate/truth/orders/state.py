"""The life of one order, as far as its accepted deliveries show it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hookline.simulate.truth.platforms import gives
from hookline.simulate.truth.received import Received
from hookline.simulate.truth.spans import Span, UndecidedError
from hookline.simulate.truth.undecided import Undecided
from hookline.simulate.truth.versions import in_order
from hookline.simulate.world.facts import Change, OrderState, Refund, Repayment


@dataclass(frozen=True, slots=True)
class OrderLife:
    """All states of an order, oldest version first, with the transactions that name it.

    ``newest``: the newest state. ``whole``: the newest one that is more than a deletion's id.
    """

    received: Sequence[Received]
    repayments: Sequence[Sequence[Received]] = ()

    @property
    def states(self) -> list[OrderState]:
        """The facts, oldest version first."""
        return [each.fact for each in self.received if isinstance(each.fact, OrderState)]

    @property
    def newest(self) -> OrderState:
        """The newest state."""
        return self.states[-1]

    @property
    def shown(self) -> list[tuple[OrderState, Received]]:
        """The states that give more than an id, oldest version first."""
        return [
            (each.fact, each)
            for each in self.received
            if isinstance(each.fact, OrderState)
            and (each.fact.change is not Change.DELETED or gives(each.fact.shop).whole_deletions)
        ]

    @property
    def whole(self) -> OrderState | None:
        """The newest state that gives more than an id."""
        shown = self.shown
        return shown[-1][0] if shown else None

    @property
    def are_refunds_given(self) -> bool:
        """Whether the order's refunds are given, be it that none succeeded."""
        shape = gives(self.newest.shop).refunds
        return shape == "objects" or (shape == "running" and bool(self.refunds()))

    @property
    def is_billed_again(self) -> bool:
        """Whether its creation shows that a subscription billed it, not for the first time."""
        return any(state.is_renewal and state.change is Change.CREATED for state in self.states)

    def refunds(self) -> dict[int, tuple[Refund, Span]]:
        """Return its refunds by number, each as the newest state has it."""
        by_number: dict[int, tuple[Refund, Span]] = {}
        for state, _ in self.shown:
            for refund in (*state.refunds, *((state.refund,) if state.refund else ())):
                by_number[refund.number] = refund, Span.at(refund.at)
        return by_number


def order_lives(received: Iterable[Received], undecided: Undecided) -> list[OrderLife]:
    """Gather the facts of orders, each with its transactions."""
    orders: dict[tuple[str, int], list[Received]] = {}
    paid_back: dict[tuple[str, int], dict[int, list[Received]]] = {}
    for each in received:
        match each.fact:
            case OrderState():
                orders.setdefault((each.fact.shop.key, each.fact.number), []).append(each)
            case Repayment():
                by_number = paid_back.setdefault((each.fact.shop.key, each.fact.order), {})
                by_number.setdefault(each.fact.number, []).append(each)
            case _:
                pass
    found = []
    for key, states in orders.items():
        try:
            own = [in_order(each) for each in paid_back.get(key, {}).values()]
            found.append(OrderLife(in_order(states), own))
        except UndecidedError as error:
            for state in [each.fact for each in states if isinstance(each.fact, OrderState)][:1]:
                undecided.note_order(state, error)
    return found
