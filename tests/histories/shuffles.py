"""A history of all platforms in random orders: each must end in the same rows.

    python -m tests.histories.shuffles --count 100      # 5,000 events, some minutes
    python -m tests.histories.shuffles --seed 17        # that order alone, against order 0

Each order repeats a tenth of the events, in batches of random sizes, while time goes on.
The rows are held against the pure rules too. Needs nothing but this checkout.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from runtime.settings import Settings
from schemas.events import Event
from sinks.postgres.migrate import migrate
from tests.histories.everything import WATERMARK, everything
from tests.histories.running import by_topic, folded, shuffled
from tests.histories.stored import database, empty, read, slowly, store, unlike
from tests.sink_events import Tables


async def shuffle(tables: Tables, events: Sequence[Event], seed: int) -> dict[str, str]:
    """Tables -> digests, after the events in a random order in tables that were empty."""
    chance = random.Random(seed)  # noqa: S311 - a seed repeats it
    batches = list(by_topic(shuffled(events, seed, again=0.1), chance.choice((50, 200, 1000))))
    chance.shuffle(batches)
    empty(tables)
    await store(tables, batches, WATERMARK, seed)
    return await tables.digest()


async def _compare(settings: Settings, count: int, seeds: Sequence[int], console: Console) -> int:
    """Print what differs; return how many orders ended in other rows than the first."""
    events = everything(count)
    migrate(settings)
    async with Tables(settings) as tables:
        first = await shuffle(tables, events, 0)
        apart = [*unlike(folded(events, count, WATERMARK), read(tables)), *slowly(tables)]
        console.print(*apart[:20], sep="\n")
        different = 0
        for seed in track(seeds, "orders", console=console, transient=True):
            found = await shuffle(tables, events, seed)
            if wrong := sorted(name for name in first if first[name] != found[name]):
                different += 1
                console.print(f"order {seed}: other rows in {', '.join(wrong)}")
    console.print(
        f"{len(seeds) - different} of {len(seeds)} orders of {count:,} events end in one digest"
        f" over {len(first)} tables; the pure rules differ in {len(apart)} rows"
    )
    return different + len(apart)


def main() -> None:
    """Exit 1 if any order ends in other rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100, help="orders (100)")
    parser.add_argument("--events", type=int, default=5000, help="events in the history (5000)")
    parser.add_argument("--seed", type=int, help="one order alone")
    chosen = parser.parse_args()
    seeds = range(chosen.count) if chosen.seed is None else [chosen.seed]
    with (
        tempfile.TemporaryDirectory(prefix="hookline-shuffles-") as folder,
        database(Path(folder)) as settings,
    ):
        wrong = asyncio.run(_compare(settings, chosen.events, seeds, Console()))
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
