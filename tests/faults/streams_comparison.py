"""How long Hookline is silent after a fault of Kafka, beside a Kafka Streams application.

Both read the same deliveries at the same time. The application parses the JSON bodies, drops
repeats of a delivery id by a state store, and writes small canonical records; Maven builds it
from tests/faults/streams into a temporary folder. Without Maven, a JDK or the libraries, Hookline
and the plain client are measured alone. The plain client writes to every partition and commits
offsets, with new connections each time: its silence is how long Kafka itself could not be used.
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from rich.console import Console
from rich.table import Table

from hookline.local.stack import NAMES, choose_ports
from runtime.settings import Settings
from schemas.topics import Group
from tests.cluster import coordinator
from tests.conftest import LiveStack, prepare
from tests.faults.brokers import three_brokers
from tests.faults.fault import WORKERS, Fault
from tests.faults.outcome import Outcome
from tests.faults.storm import PATIENCE, Storm
from tests.faults.streams.application import GUARANTEES, OUTPUT, Application, NotBuiltError, build
from tests.faults.streams.figures import longest_of_all, longest_of_one, with_coordinator_of
from tests.faults.streams.watch import PLAIN, Moments, Watch
from tests.faults.strikes import away

BEFORE = 15.0
"""Seconds of work before the fault: what silence is usual."""
AFTER = 10.0
"""Seconds for which everything must have worked again before the run ends."""
CATCH_UP = 60.0
"""Seconds that the application has at the end to write what is missing."""
KILLED, STOPPED = "kill-broker", "stop-coordinator"
LASTS = {KILLED: 10.0, STOPPED: 150.0}
"""Fault -> seconds from its beginning to its end."""
_COMMITTED = "__consumer_offsets"


def main() -> None:
    """Run the comparison once; exit 1 if Hookline lost something or counted it twice."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.streams_comparison",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--fault",
        choices=tuple(LASTS),
        default=KILLED,
        help="kill -9 of the only broker, started again; or SIGSTOP of the broker of three that"
        " coordinates the processors (and the application, whose group is named for that)",
    )
    parser.add_argument("--guarantee", choices=GUARANTEES, default=GUARANTEES[0])
    parser.add_argument(
        "--seconds", type=float, help="how long the fault lasts: 10, 150 if stopped"
    )
    parser.add_argument("--rate", type=float, default=300.0, help="deliveries a second")
    parser.add_argument("--seed", type=int, help="repeat the deliveries of this seed")
    parser.add_argument("--keep", type=Path, help="folder for the logs, kept")
    chosen = parser.parse_args()
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="hookline-streams-"))
    folder.mkdir(parents=True, exist_ok=True)
    # The observer and the plain client lose their connections, as they must.
    logging.basicConfig(filename=folder / "observer.log")
    console = Console()
    try:
        jars = build(folder)
    except NotBuiltError as error:
        console.print(f"[yellow]The Kafka Streams application is left out:[/] {error}")
        jars = None
    console.print(f"{chosen.fault}, {chosen.rate:.0f} deliveries/s; logs: {folder}")
    comparison, outcome = _run(folder, chosen, jars)
    _show(console, comparison, outcome)
    sys.exit(bool(outcome.problems))


@dataclass(slots=True)
class Comparison:
    """One run. Moments are in seconds of the monotonic clock.

    ``began``: both sides work; ``struck``: the fault begins; ``ended``: it is over; ``until``:
    both have worked again for a while, or patience has ended.
    """

    fault: str
    seconds: float
    guarantee: str
    folder: Path
    jars: Path | None
    watch: Watch = field(init=False)
    began: float = 0.0
    struck: float = 0.0
    ended: float = 0.0
    until: float = 0.0
    restarts: int = 0
    missing: int = 0
    """Accepted deliveries without a record of the application."""

    async def strike(self, storm: Storm) -> None:
        """Start the application, watch all sides, strike, and wait until all work again."""
        settings = storm.settings
        group = settings.prefix + Group.PROCESSORS
        partitions = await away(count_coordinators, settings)
        name = with_coordinator_of(group, settings.prefix + OUTPUT, partitions)
        plain = with_coordinator_of(group, settings.prefix + PLAIN, partitions)
        self.watch = Watch(settings, plain)
        application = None
        if self.jars is not None:
            application = Application(self.jars, self.folder, settings, name, self.guarantee)
        try:
            async with self.watch.watching():
                if application is not None:
                    await away(application.start)
                await self._wait_for_all(0.0, "work")
                self.began = time.monotonic()
                await asyncio.sleep(BEFORE)
                await self._inject(storm)
                try:
                    await self._wait_for_all(self.ended, "work again")
                    await asyncio.sleep(AFTER)
                except TimeoutError as error:
                    print(error)  # its gap in the table is then open
                self.until = time.monotonic()
                if application is not None:
                    self.restarts = application.restarts
                    await self._wait_for_deliveries(storm)
        finally:
            if application is not None:
                await away(application.stop)

    async def _inject(self, storm: Storm) -> None:
        """Kill the broker and start it again, or stop the coordinator and let it go on."""
        if self.fault == KILLED:
            self.struck = time.monotonic()
            await away(storm.stack.kill, storm.stack.kafka)
            await asyncio.sleep(self.seconds)
            await away(storm.stack.kafka.start)
        else:
            assert storm.cluster is not None
            group = storm.settings.prefix + Group.PROCESSORS
            broker = storm.cluster.broker(await away(coordinator, storm.settings.brokers, group))
            self.struck = time.monotonic()
            storm.cluster.pause(broker)
            try:
                await asyncio.sleep(self.seconds)
            finally:
                storm.cluster.resume(broker)
        self.ended = time.monotonic()

    async def _wait_for_all(self, since: float, what: str) -> None:
        """Return once every side has something new after ``since``, in every partition."""
        deadline = time.monotonic() + PATIENCE
        while missing := [name for name, seen in self.sides() if not _is_new(seen, since)]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{', '.join(missing)}: does not {what} after {PATIENCE:.0f} s")
            await asyncio.sleep(0.1)

    async def _wait_for_deliveries(self, storm: Storm) -> None:
        """Give the application time to have written what was accepted by now."""
        accepted = {delivery.encode() for delivery in storm.sent.accepted}
        deadline = time.monotonic() + CATCH_UP
        while missing := accepted - self.watch.deliveries.keys():
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        self.missing = len(missing)

    def sides(self) -> list[tuple[str, Moments]]:
        """Name what is compared, the plain client first."""
        watch = self.watch
        streams = [(f"Kafka Streams, {self.guarantee}: records", watch.streams)]
        return [
            ("a plain client: acknowledged", watch.plain),
            *(streams if self.jars is not None else []),
            ("Hookline: canonical records", watch.canonical),
            ("Hookline: rows", watch.rows),
        ]


def count_coordinators(settings: Settings) -> int:
    """Return the partitions of the topic whose leaders coordinate the groups."""
    client = AdminClient({"bootstrap.servers": settings.brokers})
    return len(client.list_topics(_COMMITTED, timeout=30).topics[_COMMITTED].partitions)


def create_topics(settings: Settings) -> None:
    """Create the topics of the application and the plain client, as safe as Hookline's."""
    client = AdminClient({"bootstrap.servers": settings.brokers})
    config = {"min.insync.replicas": "2" if settings.replication_factor > 2 else "1"}
    topics = [
        NewTopic(
            settings.prefix + name, settings.partitions, settings.replication_factor, config=config
        )
        for name in (OUTPUT, PLAIN)
    ]
    for created in client.create_topics(topics).values():
        created.result(60)


def _is_new(seen: Moments, since: float) -> bool:
    return all(each and each[-1] > since for each in seen.values())


def _run(folder: Path, chosen: argparse.Namespace, jars: Path | None) -> tuple[Comparison, Outcome]:
    seed = random.randrange(2**31) if chosen.seed is None else chosen.seed  # noqa: S311 - printed
    lasts = LASTS[chosen.fault] if chosen.seconds is None else chosen.seconds
    comparison = Comparison(chosen.fault, lasts, chosen.guarantee, folder, jars)
    stack = LiveStack(folder, choose_ports(folder, dict.fromkeys(NAMES, 0)))
    stack.start()
    try:
        storm = Storm(stack, prepare(stack.settings()), folder, WORKERS)
        around = three_brokers()(storm) if chosen.fault == STOPPED else nullcontext()
        outcome = asyncio.run(_compare(storm, around, comparison, seed, chosen.rate))
    finally:
        stack.recover()
        stack.stop()
    return comparison, outcome


async def _compare(
    storm: Storm,
    around: AbstractAsyncContextManager[None],
    comparison: Comparison,
    seed: int,
    rate: float,
) -> Outcome:
    async with around:
        await away(create_topics, storm.settings)
        storm.open()
        try:
            await away(storm.pipeline.start)
            fault = Fault(0, "streams-comparison", comparison.fault, comparison.strike)
            return await storm.run(fault, 1, seed, rate)
        finally:
            await away(storm.close)


def _show(console: Console, comparison: Comparison, outcome: Outcome) -> None:
    began, struck, until = comparison.began, comparison.struck, comparison.until
    accepted = outcome.found.accepted
    table = Table(
        title=f"{comparison.fault} for {comparison.seconds:.0f} s, seed {outcome.seed},"
        f" {accepted:,} deliveries accepted; all brokers ran {comparison.ended - struck:.1f} s"
        " after the fault began.\nThe longest time without anything new:"
    )
    table.add_column("")
    for title in ("before the fault", "from the fault on", "of one partition"):
        table.add_column(title, justify="right")
    for name, seen in comparison.sides():
        one = longest_of_one(seen, struck, until) if len(seen) > 1 else ""
        table.add_row(
            name,
            str(longest_of_all(seen, began, struck)),
            str(longest_of_all(seen, struck, until)),
            str(one),
        )
    console.print(table)
    if comparison.jars is not None:
        records = comparison.watch.deliveries
        console.print(
            f"Kafka Streams: ended by itself {comparison.restarts} times;"
            f" {comparison.missing} accepted deliveries without a record;"
            f" {sum(records.values()) - len(records)} records beyond one for a delivery"
        )
    console.print(
        f"Hookline: ended by itself {outcome.exits} times;"
        f" {outcome.problems or 'nothing lost, repeated or doubled'}"
    )


if __name__ == "__main__":
    main()
