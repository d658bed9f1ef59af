"""Payloads of the five platforms, rendered from the facts of the simulated shops."""

from collections.abc import Callable

from hookline.simulate.payloads import (
    ciklik,
    gooten,
    run_free,
    shoprocket_envelope,
    shoprocket_older,
    spiffy,
)
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.world.facts import Fact

__all__ = ["Payload", "render"]

_RENDER: dict[tuple[str, str], Callable[[Fact], Payload | None]] = {
    ("spiffy", "json"): spiffy.render,
    ("spiffy", "xml"): spiffy.render,
    ("run-free", "json"): run_free.render,
    ("shoprocket", "older"): shoprocket_older.render,
    ("shoprocket", "envelope"): shoprocket_envelope.render,
    ("ciklik", "json"): ciklik.render,
    ("gooten", "json"): gooten.render,
}


def render(fact: Fact) -> Payload | None:
    """Return what the fact's platform sends; None where it does not report such a fact.

    The same fact gives the same bytes. Raises KeyError for a shop of no such platform or format.
    """
    return _RENDER[fact.shop.source, fact.shop.format](fact)
