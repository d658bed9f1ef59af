"""What happens in simulated shops, in no platform's format."""

from hookline.simulate.world.agenda import steps
from hookline.simulate.world.knobs import Behaviour, Knobs
from hookline.simulate.world.shop_list import shops

__all__ = ["Behaviour", "Knobs", "shops", "steps"]
