"""Simulated shops join a stack: their file, and an ingress that really checks and stores."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hookline.console.errors import CommandError
from hookline.simulate.sending import joining
from hookline.simulate.sending.faults import Faults
from hookline.simulate.sending.journal import Journal
from hookline.simulate.sending.requests import Signer, hosts
from hookline.simulate.sending.schedule import Schedule
from hookline.simulate.sending.sender import Sender
from hookline.simulate.sending.tally import Tally
from runtime.settings import Settings
from schemas import envelopes
from schemas.shops import load
from tests.served import Served, serving
from tests.unit.hookline.simulate.sending.simple_facts import order, render, shop, steps

SHOPS = [shop(source) for source in ("run-free", "shoprocket", "spiffy", "ciklik", "gooten")]
OTHER = '# a comment\n[[shops]]\nsource = "gooten"\nid = "mine"\nsecrets = ["x"]\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shops.toml"
    path.write_text(OTHER)
    return path


@pytest.fixture
async def served(file: Path) -> AsyncIterator[Served]:
    async with serving(Settings(port=0), file) as running:
        yield running


def test_shops_are_added_behind_what_the_file_holds(file: Path) -> None:
    joining.add(file, SHOPS, 1)
    assert file.read_text().startswith(OTHER)
    assert len(load(file)) == 6
    added = load(file)["spiffy", "sim-1-spiffy"]
    assert (added.abandon_after, added.expire_after, added.currency) == (6, 60, "EUR")
    assert added == joining.settings_of(SHOPS)["spiffy", "sim-1-spiffy"]


def test_a_seed_is_taken_once_and_nothing_is_changed_then(file: Path) -> None:
    joining.add(file, SHOPS[:1], 1)
    before = file.read_text()
    with pytest.raises(CommandError, match="choose another --seed"):
        joining.add(file, SHOPS, 1)
    assert file.read_text() == before


async def test_waiting_for_an_ingress_ends_once_it_knows_all_shops_and_stores_nothing(
    served: Served, file: Path
) -> None:
    reports: list[str] = []
    shops = joining.settings_of(SHOPS).values()
    url = f"http://127.0.0.1:{served.server.port}"
    waiting = asyncio.create_task(
        asyncio.to_thread(joining.wait_until_known, [url], shops, reports.append)
    )
    while not reports and not waiting.done():  # noqa: ASYNC110 - it is told in another thread
        await asyncio.sleep(0.01)
    joining.add(file, SHOPS, 1)
    served.shops.refresh()
    await waiting
    assert reports
    assert served.publisher.records == []


async def test_an_ingress_with_another_shops_file_is_named(served: Served) -> None:
    shops = joining.settings_of(SHOPS[:1]).values()
    url = f"http://127.0.0.1:{served.server.port}"
    with pytest.raises(CommandError, match=f"{url} does not know run-free/sim-1-run-free"):
        await asyncio.to_thread(joining.wait_until_known, [url], shops, str, 0.1)


async def test_the_ingress_accepts_every_platform_s_request_and_dates_it_within_the_bounds(
    served: Served, file: Path
) -> None:
    joining.add(file, SHOPS, 1)
    served.shops.refresh()
    history = steps([order(SHOPS[number % 5], number % 30, number) for number in range(150)], 0)
    journal, tally = Journal(), Tally()
    sender = Sender(
        hosts([f"http://127.0.0.1:{served.server.port}"]),
        Signer(joining.settings_of(SHOPS)),
        journal,
        tally,
        connections=3,
        is_paced=False,
    )
    assert await sender.run(Schedule(history, render, Faults(lost_answers=0.2)))
    assert (tally.accepted, tally.refused) == (150, 0)
    stored: dict[bytes, list[int]] = {}
    for record in served.publisher.records:
        received = int(dict(record.headers)[envelopes.RECEIVED_US] or b"")
        stored.setdefault(record.value, []).append(received)
    for number, step in enumerate(history):
        bounds = journal.bounds(number)
        assert bounds is not None
        assert bounds[0] <= min(stored[render(step.fact).body]) <= bounds[1]
