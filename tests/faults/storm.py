"""A storm: deliveries over HTTP, a fault in their middle, and a look at what stands."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError
from psycopg import OperationalError

from hookline.local.servers.server import Server
from runtime.settings import Settings
from tests import senders
from tests.cluster import Cluster
from tests.conftest import LiveStack
from tests.faults import verify
from tests.faults.alarms import Alarms, watch_out
from tests.faults.deliveries import PAIRED, Numbered, shops_toml
from tests.faults.fault import Fault
from tests.faults.outcome import Outcome
from tests.faults.plain_client import Silence
from tests.faults.prometheus import Prometheus, running
from tests.faults.proxy import Proxy
from tests.faults.verify import Strangers
from tests.faults.watched import Watched, longest_silence, ready_after, watching
from tests.pipeline import Pipeline, Shape

TWICE = 0.2
BACKLOG = 0.25
"""Share of the deliveries that stands before the workers start: their queues are full."""
PATIENCE = 240.0
"""Seconds after which a storm that does not come to rest has failed."""


class Storm:
    """Stages under deliveries; ``run`` strikes them. Several runs add up."""

    def __init__(
        self,
        stack: LiveStack,
        settings: Settings,
        directory: Path,
        shape: Shape,
        window: int | None = None,
    ) -> None:
        self.stack, self.directory, self.shape = stack, directory, shape
        shops = directory / "shops.toml"
        shops.write_text(shops_toml(window))
        self.settings = replace(settings, shops_file=str(shops))
        self.wanted: list[Numbered] = []
        self.sent = senders.Sent()
        self.chance = random.Random(0)  # noqa: S311 - a repeatable run, no secret
        self.pipeline: Pipeline
        self.staged = self.settings  # what the stages are told; differs behind a proxy
        self.proxy: Proxy | None = None
        self.disk: Path | None = None
        self.server: Server | None = None
        self.cluster: Cluster | None = None
        self.plain: Silence | None = None  # of a plain client of the same brokers
        self.dead = 0
        """Dead letters that the deliveries must have become."""
        self.strangers = Strangers()
        self.remarks: list[str] = []
        """What a fault found wrong by itself."""
        self.scale = 1.0
        """How long faults last, in relation to a long storm."""
        self.is_spoilt = False  # a run went wrong: what stands is no ground for another
        self.count = 0
        """Distinct deliveries that this run sends, or more."""
        self.prometheus: Prometheus | None = None  # that of its stages, where alerts are watched
        self.effect: float | None = None
        """When the fault of this run began to take effect; epoch, seconds."""
        self._base = self._number = 0
        self._struck = False

    def open(self) -> None:
        """Prepare the stages; nothing runs yet."""
        logs = self.directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.pipeline = Pipeline(self.staged, logs, self.shape)

    def use(self, server: Server, disk: Path, **settings: Any) -> None:
        """Let the stages use a server of this storm's own."""
        self.server, self.disk = server, disk
        self.settings = self.staged = replace(self.settings, **settings)

    @property
    def freeze(self) -> float:
        """Seconds of SIGSTOP that outlive a session."""
        return 1.5 * self.settings.session_timeout

    def close(self) -> None:
        """End what runs."""
        self.pipeline.stop()

    async def fill(self, count: int) -> None:
        """Let deliveries be accepted while no worker runs: their queues are full later."""
        await asyncio.to_thread(self.pipeline.start, "ingest")
        self._base, self.count, self._struck = 0, count, True
        await self._send(None)

    async def run(
        self,
        fault: Fault,
        count: int,
        seed: int,
        rate: float | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Outcome:
        """Send ``count`` deliveries or more, as long as the fault strikes; wait; look.

        ``rate``: deliveries a second; None: as fast as they are taken. Raises TimeoutError
        where the stages do not come to rest.
        """
        with watching(self.settings, lambda: not self.pipeline.unready()) as watched:
            return await self._run(fault, count, seed, rate, progress, watched)

    async def _run(
        self,
        fault: Fault,
        count: int,
        seed: int,
        rate: float | None,
        progress: Callable[[int], None],
        watched: Watched,
    ) -> Outcome:
        began, since = time.monotonic(), time.time()
        ended = self.pipeline.exits
        self.effect = None
        self.is_spoilt = True
        self.chance.seed(seed)
        self._base, self.count, self._struck = len(self.sent.accepted), count, False
        before = Counter(self.sent.answers)
        sending = asyncio.create_task(self._send(rate))
        reporting = asyncio.create_task(self._report(progress))
        try:
            await fault.strike(self)
            struck, over = time.monotonic(), time.time()
        finally:
            self._struck = True
            await sending
            reporting.cancel()
        await self.rest(fault, seed)
        recovered = time.monotonic() - struck
        await asyncio.to_thread(self.pipeline.wait_ready, PATIENCE)
        alarms = await self._alarms(since, over)
        ready = ready_after(struck, watched.unready_at)
        silence = longest_silence(began, watched.looks)
        found = verify.Found(len(self.wanted), len(self.sent.accepted), dead=self.dead)
        if not fault.is_lossy:
            found = await verify.look(self.settings, self.sent, self.wanted, self.strangers)
        found.remarks += self.remarks
        answers = {str(answer): n for answer, n in (self.sent.answers - before).items()}
        seconds = time.monotonic() - began
        exits = self.pipeline.exits - ended
        outcome = Outcome(
            fault, seed, found, recovered, ready, silence, exits, answers, seconds, self.dead,
            plain=self.plain and self.plain.longest, alarms=alarms,
        )  # fmt: skip
        self.is_spoilt = bool(outcome.problems)
        return outcome

    async def _alarms(self, began: float, ended: float) -> Alarms | None:
        """All alerts of this run, once none is left; None where nobody watches."""
        if self.prometheus is None:
            return None
        return await watch_out(self.prometheus, began, self.effect or began, ended, time.time())

    async def accepted(self, share: float) -> None:
        """Return once that share of this run's deliveries has been answered with a 200.

        What a fault does begins when this returns for the first time.
        """
        wanted = share * self.count * (1 + TWICE)
        while len(self.sent.accepted) - self._base < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        self.effect = self.effect or time.time()

    def _deliveries(self) -> Iterator[Numbered]:
        """New ones until there are enough and the fault has struck; some of them twice."""
        began = datetime.now(UTC)
        first = self._number
        while self._number - first < self.count or not self._struck:
            group = [Numbered(self._number + each, began) for each in range(PAIRED)]
            self._number += PAIRED
            self.wanted += group
            group += [each for each in group if self.chance.random() < TWICE]
            self.chance.shuffle(group)
            yield from group

    async def _send(self, rate: float | None) -> None:
        await senders.send_all(
            self.pipeline.urls, self._deliveries(), senders=48, rate=rate, sent=self.sent
        )

    async def rest(self, fault: Fault, seed: int) -> None:
        """Return when nothing is behind. Raises TimeoutError."""
        limit = PATIENCE
        deadline = time.monotonic() + limit
        while True:
            behind: object
            try:
                behind = await verify.lag(self.settings)
            except (KafkaError, OperationalError, OSError) as error:
                behind = repr(error)
            if behind == (0, 0):
                return
            if time.monotonic() > deadline:
                said = await asyncio.to_thread(self.pipeline.unready)
                raise TimeoutError(
                    f"{fault.name}, seed {seed}: {behind} behind after {limit:.0f} s;"
                    f" unready {said}; logs: {self.pipeline.logs}"
                )
            await asyncio.sleep(0.25)

    async def _report(self, progress: Callable[[int], None]) -> None:
        while True:
            progress(len(self.sent.accepted) - self._base)
            await asyncio.sleep(0.3)


async def alone(
    fault: Fault,
    stack: LiveStack,
    settings: Settings,
    directory: Path,
    count: int,
    seed: int,
    *,
    rate: float | None = None,
    scale: float = 1.0,
    progress: Callable[[int], None] = lambda _: None,
    watches_alerts: bool = False,
) -> Outcome:
    """One fault on stages of its own, their queues full when they start.

    ``watches_alerts``: beside a Prometheus of their own.
    """
    storm = Storm(stack, replace(settings, **fault.settings), directory, fault.shape, fault.window)
    storm.scale = scale
    storm.chance.seed(seed)
    async with AsyncExitStack() as held:
        if fault.around is not None:
            await held.enter_async_context(fault.around(storm))
        storm.open()
        try:
            backlog = 0 if fault.is_outage else int(count * BACKLOG)
            await storm.fill(backlog)
            await asyncio.to_thread(storm.pipeline.start, "process", "sink")
            if watches_alerts:
                ports = storm.pipeline.ports
                storm.prometheus = held.enter_context(
                    running(directory / "prometheus", lambda: ports)
                )
            return await storm.run(fault, count - backlog, seed, rate, progress)
        finally:
            await asyncio.to_thread(storm.close)
