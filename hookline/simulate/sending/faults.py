"""Which faults of senders a run has, and which facts can bear them without another truth."""

from dataclasses import dataclass

from hookline.simulate.world.facts import (
    SECOND,
    CartState,
    Change,
    Fact,
    Micros,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Shares are between 0 and 1. ``longest``: how long a delivery is held back at most."""

    seed: int = 0
    duplicates: float = 0.0
    reorder: float = 0.0
    late: float = 0.0
    lost: float = 0.0
    lost_answers: float = 0.0
    malformed: float = 0.0
    longest: Micros = 30 * SECOND


def has_own_time(fact: Fact) -> bool:
    """Whether the body carries a time that changes with every change.

    Such deliveries are versions: they may arrive in any order, and an equal body is a repeat
    whenever it comes. The others are what they are by their arrival, and an equal body is a
    repeat only right behind its like.
    """
    shop = fact.shop
    match shop.source:
        case "spiffy" | "run-free":
            return not isinstance(fact, CartState)
        case "shoprocket":
            return shop.format == "envelope" or fact.change is Change.CREATED
        case "ciklik":
            return fact.change is Change.CREATED and not isinstance(fact, CartState)
    return False


def can_wait(fact: Fact) -> bool:
    """Whether its truth is the same however late it comes.

    Carts are not among them, not even those with a time of their own: abandonment that a
    platform reports counts from the arrival of the report. Nor what a fast clock dates: of two
    states that come in the other order, the time at which each was appended would decide.
    """
    return has_own_time(fact) and not isinstance(fact, CartState) and fact.shop.clock_skew <= 0


def can_be_lost(fact: Fact) -> bool:
    """Whether it may be withheld for ever.

    Not a cart's state: the gap between its neighbours could come near the time after which a
    cart is abandoned. And not a state between two equal ones, where arrival alone dates them: the
    second would be a repeat of the first. Gooten's orders never go back.
    """
    if isinstance(fact, CartState):
        return False
    return has_own_time(fact) or fact.shop.source == "gooten"
