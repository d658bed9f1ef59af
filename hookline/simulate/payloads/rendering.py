"""Which platform's format a fact is rendered in."""

from collections.abc import Callable

from hookline.simulate.payloads import run_free, spiffy
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.world.facts import Fact

_RENDER: dict[str, Callable[[Fact], Payload | None]] = {
    "spiffy": spiffy.render,
    "run-free": run_free.render,
}


def render(fact: Fact) -> Payload | None:
    """Return what the fact's platform sends; None where it does not report such a fact.

    The same fact gives the same bytes.
    """
    renderer = _RENDER.get(fact.shop.source)
    return None if renderer is None else renderer(fact)
