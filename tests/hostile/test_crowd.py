"""Good senders among strangers with bodies of full size: each of theirs is answered 200."""

import os
from pathlib import Path

import pytest

from tests.hostile.cases import case
from tests.hostile.crowd import GoodSender, compared
from tests.hostile.server import started

SECTION = "Connections"
MOST = 300_000_000


async def among(folder: Path, connections: int, seconds: float) -> list[GoodSender]:
    async with started(folder) as server:
        found = await compared(server.port, connections, 2.0, seconds)
        held = server.rss
    for each in found:
        print(each)
    print(f"{held / 1e6:.0f} MB at the end")
    assert held < MOST
    return [each.sender for each in found]


@case(SECTION, "full-size bodies with wrong tokens and wrong signatures, from one address and many",
      "401, or 503 among themselves; all good ones 200", "the good senders'")  # fmt: skip
async def test_good_senders_do_not_notice_a_crowd_of_strangers(tmp_path: Path) -> None:
    for sender in await among(tmp_path, connections=80, seconds=4.0):
        assert set(sender.statuses) == {200}
        assert len(sender.seconds) > 50


@case(SECTION, "500 of them for a minute", "the same", "the good senders'")
@pytest.mark.skipif("LONG" not in os.environ, reason="a minute of 500 strangers: LONG=1 make test")
@pytest.mark.timeout(200)
async def test_good_senders_do_not_notice_five_hundred_strangers_for_a_minute(
    tmp_path: Path,
) -> None:
    for sender in await among(tmp_path, connections=500, seconds=60.0):
        assert set(sender.statuses) == {200}
        assert len(sender.seconds) > 500
