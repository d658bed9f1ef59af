"""A good sender among all hostile ones, on the real server in a process of its own."""

import asyncio
from pathlib import Path

import pytest

from tests.hostile.cases import case
from tests.hostile.kinds import KINDS, Sender, attacking, sending
from tests.hostile.server import started
from tests.log_search import leaks, secrets_of

SECTION = "Connections"
MOST = 300_000_000
SECONDS = 8


async def watched(folder: Path, kinds: list[str]) -> tuple[Sender, int]:
    """The good sender after some seconds of these kinds, and the most memory that was held."""
    async with (
        started(folder) as server,
        sending(server.port) as sender,
        attacking(server.port, kinds),
    ):
        most = 0
        for _ in range(SECONDS * 10):
            await asyncio.sleep(0.1)
            most = max(most, server.rss)
        connections = server.process.num_fds()
    p99 = sender.p99 * 1000
    summary = f"{len(sender.seconds)} good deliveries, p99 {p99:.0f} ms"
    print(f"{most / 1e6:.0f} MB with {connections} descriptors; {summary}")
    return sender, most


@case(SECTION, "10,000 idle connections, and a good sender",
      "they are closed after 10 s; the good one 200", "the good sender's")  # fmt: skip
@case(SECTION, "every kind of this page at once, and a good sender",
      "the good one always 200, with less than 300 MB", "the good sender's")  # fmt: skip
@pytest.mark.parametrize("kinds", [["10,000 idle connections"], list(KINDS)], ids=["idle", "all"])
async def test_a_good_sender_is_served_among_hostile_ones(tmp_path: Path, kinds: list[str]) -> None:
    sender, most = await watched(tmp_path, kinds)

    assert set(sender.statuses) == {200}
    assert most < MOST
    assert leaks(tmp_path, secrets_of(tmp_path)) == []
