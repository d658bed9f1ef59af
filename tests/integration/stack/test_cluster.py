"""``hookline up --brokers 3``: the death of a broker costs nothing that was acknowledged."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hookline.local.folder import Folder
from runtime.settings import Settings, from_env
from tests import senders, truth
from tests.cluster import busiest_leader
from tests.integration.stack.test_stack_up import hookline, status, wait_for

pytestmark = [
    pytest.mark.stack,
    pytest.mark.fault,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        "LONG" not in os.environ, reason="a minute, on three brokers: LONG=1 make test"
    ),
]

ORDERS = 1500
RATE = 100.0


def test_the_leader_of_most_partitions_is_killed_and_everything_reaches_the_tables(
    tmp_path: Path,
) -> None:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    data = tmp_path / "data"
    given = ["--data", str(data), "--shops", str(shops)]
    try:
        started = hookline("up", "--brokers", "3", "--detach", *given)
        assert started.returncode == 0, started.stdout + started.stderr
        assert "MB for the 3 brokers" in started.stdout
        shown = status(data)
        names = [process["name"] for process in shown["processes"]]
        assert names[:4] == ["hookline up", "kafka-1", "kafka-2", "kafka-3"]
        assert shown["brokers"].count(",") == 2
        settings = _settings(data)
        assert settings.replication_factor == 3

        wanted = senders.orders(1, ORDERS)
        sent, killed = asyncio.run(_send_through_a_kill(settings, shown, wanted))
        truth.wait_for_rows(settings, ORDERS, 90)
        found = truth.look(settings, wanted, sent)
        audit = truth.audit(settings)
        assert found.is_exact, found
        assert audit.returncode == 0, audit.stdout + audit.stderr
        wait_for(lambda: _restarts(data)[killed] == 1, "the broker is restarted")
        assert {n: c for n, c in _restarts(data).items() if c} == {killed: 1}

        checked = hookline("doctor", *given)
        assert "brokers: keep acknowledged records" in " ".join(checked.stdout.split())
        assert hookline("down", "--data", str(data)).stdout == "stopped\n"
        refused = hookline("up", "--brokers", "1", *given)
        assert refused.returncode == 1
        assert "holds the data of 3 brokers, not of 1" in " ".join(refused.stderr.split())
    finally:
        Folder(data).stop()


async def _send_through_a_kill(
    settings: Settings, shown: dict[str, Any], wanted: list[senders.NumberedOrder]
) -> tuple[senders.Sent, str]:
    sent = senders.Sent()
    sending = asyncio.create_task(
        senders.send(shown["ingress_url"], wanted, rate=RATE, sent=sent, senders=16)
    )
    while len(sent.accepted) < len(wanted) // 2:  # noqa: ASYNC110 - a count has no event
        await asyncio.sleep(0.05)
    leader = await asyncio.to_thread(busiest_leader, settings.brokers, settings.prefix)
    name = f"kafka-{leader}"
    pids = {process["name"]: process["pid"] for process in shown["processes"]}
    os.kill(pids[name], signal.SIGKILL)
    return await sending, name


def _restarts(data: Path) -> dict[str, int]:
    return {process["name"]: process["restarts"] for process in status(data)["processes"]}


def _settings(data: Path) -> Settings:
    run = Folder(data).read()
    assert run is not None
    return from_env(run["environment"])
