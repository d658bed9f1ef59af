"""One run of simulated shops: what is sent, to whom, and what was seen of it."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import uvloop

from hookline.simulate.payloads import render
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.sending.bodies import BodyFiles
from hookline.simulate.sending.faults import Faults
from hookline.simulate.sending.joining import settings_of
from hookline.simulate.sending.journal import Journal, Outcome
from hookline.simulate.sending.padding import padded
from hookline.simulate.sending.requests import Signer, hosts
from hookline.simulate.sending.schedule import Render, Schedule
from hookline.simulate.sending.sender import PATIENCE, Sender
from hookline.simulate.sending.tally import Tally
from hookline.simulate.truth.received import Received
from hookline.simulate.world import Knobs
from hookline.simulate.world import shops as shops_of
from hookline.simulate.world import steps as steps_of
from hookline.simulate.world.facts import Fact, Micros, SimulatedShop, Step

_DRAW_EVERY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is made of. ``body_size``: bytes that bodies are filled up to.

    ``is_paced`` False: as fast as the ingresses answer.
    """

    knobs: Knobs
    faults: Faults
    body_size: int = 0
    is_paced: bool = True
    patience: float = PATIENCE

    @property
    def shops(self) -> tuple[SimulatedShop, ...]:
        """The shops, the same whenever the run begins."""
        return shops_of(self.knobs)

    @property
    def render(self) -> Render:
        """Render facts; those that their platform does not report give None."""
        return partial(_padded, self.body_size) if self.body_size else render

    def steps(self) -> Iterator[Step]:
        """Make the facts; each call makes the same."""
        return steps_of(self.knobs)


class Run:
    """A run of a plan. ``draw`` is called twice a second while it sends.

    ``lines``: a file for the journal; ``bodies``: files of what the shops know.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        lines: BinaryIO | None = None,
        bodies: BodyFiles | None = None,
        draw: Callable[["Run"], object] | None = None,
    ) -> None:
        self.plan, self._draw = plan, draw
        self.shops = plan.shops
        self.journal, self.tally = Journal(lines), Tally()
        watch = bodies.add if bodies is not None else None
        self.schedule = Schedule(plan.steps(), plan.render, plan.faults, watch)
        self._sender: Sender | None = None
        self.is_interrupted = False

    @property
    def prefix(self) -> str:
        """What the ids of the run's shops begin with."""
        shop = self.shops[0]
        return shop.id[: shop.id.index(f"-{shop.source}-") + 1]

    @property
    def withheld(self) -> int:
        """Facts that are never sent."""
        return len(self.schedule.withheld)

    @property
    def unsettled(self) -> int:
        """Facts that were sent, perhaps stored, and never answered with 200."""
        return self.journal.count(Outcome.UNSETTLED)

    @property
    def left(self) -> float:
        """Seconds until the plan ends, as far as it is known."""
        return max(0.0, self.plan.knobs.seconds - self.tally.seconds)

    def send(self, urls: Sequence[str]) -> bool:
        """Send everything, beginning now; True if every delivery was accepted or refused."""
        return uvloop.run(self._send(urls))

    def write(self) -> None:
        """Go through the schedule without sending, for those who write bodies."""
        for _ in self.schedule:
            pass

    def received(self) -> Iterator[Received]:
        """Yield the facts that were accepted, by making them again."""
        return self.journal.received(self.plan.steps())

    def as_dict(self) -> dict[str, Any]:
        """Return the run's figures."""
        tally = self.tally
        p50, p99 = tally.quantile(0.5), tally.quantile(0.99)
        return {
            "seed": self.plan.knobs.seed,
            "shops": len(self.shops),
            "seconds": round(tally.seconds, 3),
            "facts": self.schedule.reported,
            "withheld": self.withheld,
            "sent": tally.planned,
            "attempts": tally.attempts,
            "accepted": tally.accepted,
            "repeated": tally.repeated,
            "malformed": tally.malformed,
            "refused": tally.refused,
            "retried": tally.retried,
            "unsettled": self.unsettled,
            "a_second": round(tally.delivered / max(tally.seconds, 1e-9), 1),
            "cpu_us": round(tally.cpu_seconds / max(tally.delivered, 1) * 1e6, 1),
            "p50_ms": None if p50 is None else round(p50 * 1000, 1),
            "p99_ms": None if p99 is None else round(p99 * 1000, 1),
            "most_lag": round(tally.most_lag, 3),
            "answers": dict(sorted(tally.answers.items())),
            "refusals": tally.refusals,
        }

    async def _send(self, urls: Sequence[str]) -> bool:
        self._sender = Sender(
            hosts(urls),
            Signer(settings_of(self.shops)),
            self.journal,
            self.tally,
            patience=self.plan.patience,
            is_paced=self.plan.is_paced,
        )
        self.tally.began = self.tally.last_accepted = time.monotonic()
        drawing = asyncio.create_task(self._redraw())
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt, loop)
        cpu = time.process_time()
        try:
            return await self._sender.run(self.schedule, self.plan.knobs.start / 1e6)
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            drawing.cancel()
            self.tally.cpu_seconds = time.process_time() - cpu

    def _interrupt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop the sender; a second Ctrl-C ends the program as usual."""
        loop.remove_signal_handler(signal.SIGINT)
        self.is_interrupted = True
        if self._sender is not None:
            self._sender.stop()

    async def _redraw(self) -> None:
        while self._draw is not None:
            self._draw(self)
            await asyncio.sleep(_DRAW_EVERY)


def _padded(size: int, fact: Fact) -> Payload | None:
    payload = render(fact)
    return None if payload is None else padded(payload, size)


def now_micros() -> Micros:
    """Return the next whole second, when a run begins."""
    return (int(time.time()) + 1) * 1_000_000
