"""A changed shops file is in force without a restart: in the ingress and in the processors."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from hookline.local.process import free_port
from hookline.shops.config_file import with_secret, without_old_secret
from processors.agent import Processors
from processors.decide import Decider
from processors.erasures import ProcessorErasures
from processors.index.disk_cache import IndexCache
from processors.unknown_shops import ShopWait
from runtime.health import Health
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from runtime.stage import Batch
from schemas import envelopes
from schemas.events import Cart
from tests import toy_platform
from tests.toy_platform import CODEC, record
from tests.unit.ingest.test_ingress import House
from tests.unit.processors.test_agent import PARTITION, Log

PRINTS = '[[shops]]\nsource = "gooten"\nid = "prints"\nsecrets = ["first"]\n'
KEY = ("gooten", "prints")
REFUSED, PROVED = 401, 503
"""What an ingress without Kafka answers: it cannot keep what was proved."""


class Ingress:
    """A real ingress process before a broker that is not there."""

    def __init__(self, folder: Path) -> None:
        self.shops = folder / "shops.toml"
        self.shops.write_text(PRINTS)
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.pages = f"http://127.0.0.1:{(pages := free_port())}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")}
        own = {
            "HOOKLINE_BROKERS": f"127.0.0.1:{free_port()}",
            "HOOKLINE_SHOPS_FILE": str(self.shops),
            "HOOKLINE_PORT": str(port),
            "HOOKLINE_HEALTH_PORT": str(pages),
            "HOOKLINE_PRODUCE_TIMEOUT": "0.2",
            "HOOKLINE_LOG_FORMAT": "text",
        }
        self.log = folder / "ingest.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hookline", "ingest"],
                env={**kept, **own},
                stdout=log,
                stderr=log,
            )

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.pages}{path}", timeout=10, trust_env=False)

    def answers(self, token: str) -> int:
        """To a delivery with this token."""
        url = f"{self.url}/hooks/gooten/prints/{token}"
        return httpx.post(url, content=b'{"Id":1}', timeout=10, trust_env=False).status_code

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not self._holds(holds):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def _holds(self, holds: Callable[[], bool]) -> bool:
        try:
            return holds()
        except httpx.TransportError:
            assert self.process.poll() is None, self.log.read_text()
            return False


@pytest.fixture
def ingress(tmp_path: Path) -> Iterator[Ingress]:
    running = Ingress(tmp_path)
    try:
        running.until(lambda: running.get("/healthz").status_code == 200)
        yield running
    finally:
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(30)


def test_a_running_ingress_rotates_a_token_in_two_steps(ingress: Ingress) -> None:
    assert (ingress.answers("first"), ingress.answers("second")) == (PROVED, REFUSED)

    both = with_secret(PRINTS, KEY, "second")
    ingress.shops.write_text(both)
    ingress.until(lambda: ingress.answers("second") == PROVED)
    assert ingress.answers("first") == PROVED

    ingress.shops.write_text(without_old_secret(both, KEY))
    ingress.until(lambda: ingress.answers("first") == REFUSED)
    assert ingress.answers("second") == PROVED


def test_a_running_ingress_keeps_its_shops_when_the_file_breaks_and_logs_it(
    ingress: Ingress,
) -> None:
    ingress.shops.write_text('[shops]\nid = "half"\n')
    ingress.until(lambda: "shops file" in ingress.get("/readyz").json()["warnings"])
    assert ingress.answers("first") == PROVED
    assert "hookline_shops_file_broken 1.0" in ingress.get("/metrics").text
    assert "the previous shops stay in force" in ingress.log.read_text()

    ingress.shops.write_text(PRINTS.replace("first", "mended"))
    ingress.until(lambda: ingress.answers("mended") == PROVED)
    assert ingress.get("/readyz").json()["warnings"] == {}
    assert ingress.answers("first") == REFUSED


def test_a_hangup_has_secrets_in_files_read_again(ingress: Ingress, tmp_path: Path) -> None:
    """The shops file itself stays as it is."""
    secret = tmp_path / "secret"
    secret.write_text("kept-elsewhere")
    ingress.shops.write_text(PRINTS.replace("first", f"file:{secret}"))
    ingress.until(lambda: ingress.answers("kept-elsewhere") == PROVED)

    secret.write_text("changed-elsewhere")
    ingress.process.send_signal(signal.SIGHUP)
    ingress.until(lambda: ingress.answers("changed-elsewhere") == PROVED)
    assert ingress.answers("kept-elsewhere") == REFUSED


async def test_an_ingress_keeps_to_a_quota_that_changed(tmp_path: Path) -> None:
    file = tmp_path / "shops.toml"
    file.write_text(PRINTS + "quota = 1\n")
    house = House(file)

    async def answered() -> list[int]:
        house.now[0] += 1
        return [(await house.post("/hooks/gooten/prints/first")).status_code for _ in range(4)]

    assert await answered() == [200, 429, 429, 429]
    file.write_text(PRINTS + "quota = 3\n")
    assert house.shops.refresh()
    assert await answered() == [200, 200, 200, 429]
    file.write_text(PRINTS)
    assert house.shops.refresh()
    assert await answered() == [200, 200, 200, 200]
    await house.client.aclose()


# The processors: a stage that watches its file, before the outcome logs of the other tests.

TOY = '[[shops]]\nsource = "spiffy"\nid = "s"\nsecrets = ["x"]\ncurrency = "USD"\n'


class Stage:
    """Processors on a shops file, without Kafka."""

    def __init__(self, file: Path) -> None:
        self.file, self.log, self.health = file, Log(), Health()
        self.book = ShopBook(file, self.health)
        self.stage = Processors()
        self.stage._settings = Settings(state_dir=str(file.parent))
        self.stage._cache = IndexCache(self.stage._settings, "cluster")
        self.stage._health = self.health
        self.stage._erasures = ProcessorErasures(self.stage._settings, self.health)
        self.stage._shops = self.book
        self.stage._shop_wait = ShopWait(0.0, self.book, self.health)
        self.stage._budget = SimpleNamespace(enforced=nullcontext, renew=lambda: None)  # type: ignore[assignment]
        adapters = {"spiffy": toy_platform.adapter()}
        self.stage._decider = Decider(CODEC, adapters, b"key")
        self.stage._sender = self.log  # type: ignore[assignment]
        self.stage._recovery = self.log  # type: ignore[assignment]

    async def process(self, offset: int, body: bytes, at: int = 1_000_000) -> None:
        made = [record(offset, body, at=at)]
        await self.stage.handle(
            Batch(PARTITION, made, offset, offset + 1, 1, lambda: True, lambda: 0.0)
        )

    def change(self, text: str) -> None:
        self.file.write_text(text)
        assert self.book.refresh()

    def count(self, topic: str) -> int:
        return len(self.log.outcomes.get(f"hookline.{topic}", []))


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    file = tmp_path / "shops.toml"
    file.write_text(TOY)
    made = Stage(file)
    await made.stage.open(PARTITION, 0)
    return made


async def test_processors_stamp_settings_that_changed_mid_stream(stage: Stage) -> None:
    """The adapter of the other tests stamps none; the real one is Spiffy's."""
    stage.stage._decider = Decider(CODEC, Processors()._adapters, b"key")
    body = b'{"id":"%d","token":"%d","line_items":[]}'
    for number, silence in enumerate(("60m", "90m")):
        stage.change(TOY + f'abandon_after = "{silence}"\nexpire_after = "5d"\n')
        made = record(number, body % (number, number))
        headers = {**dict(made.headers), envelopes.EVENT: b"carts/update"}
        made = toy_platform.Record(number, made.key, made.value, tuple(headers.items()))
        await stage.stage.handle(
            Batch(PARTITION, [made], number, number + 1, 1, lambda: True, lambda: 0.0)
        )
    events = [CODEC.decode(outcome.value) for outcome in stage.log.outcomes["hookline.carts"]]
    assert all(isinstance(event, Cart) for event in events)
    assert [event.meta.settings.abandon_after_s for event in events] == [3600, 5400]
    assert {event.meta.settings.expire_after_s for event in events} == {5 * 86400}


async def test_processors_answer_by_a_window_that_changed_mid_stream(stage: Stage) -> None:
    minute = 60_000
    stage.change(TOY + 'window = "10m"\n')
    await stage.process(0, b"content 1", at=0)
    await stage.process(1, b"content 1", at=20 * minute)
    assert (stage.count("carts"), stage.count("duplicates")) == (2, 0)
    stage.change(TOY + 'window = "2h"\n')
    await stage.process(2, b"content 1", at=50 * minute)
    assert (stage.count("carts"), stage.count("duplicates")) == (2, 1)


async def test_processors_refuse_a_shop_that_was_taken_out_and_take_it_in_again(
    stage: Stage,
) -> None:
    stage.change(PRINTS)
    await stage.process(0, b"content 1")
    stage.change(TOY)
    await stage.process(1, b"content 2")
    assert (stage.count("carts"), stage.count("dead-letters")) == (1, 1)


async def test_processors_go_on_with_the_shops_they_have_when_the_file_breaks(
    stage: Stage,
) -> None:
    stage.file.write_text("[[")
    assert not stage.book.refresh()
    await stage.process(0, b"content 1")
    assert stage.count("carts") == 1
    assert "stay in force" in stage.health.warnings["shops file"]


async def test_the_watch_outlives_whatever_breaks_the_file(tmp_path: Path) -> None:
    file = tmp_path / "shops.toml"
    file.write_text(PRINTS)
    health = Health()
    book = ShopBook(file, health)
    watching = asyncio.create_task(book.watch(0.01))

    async def until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110 - a file sets no event
                await asyncio.sleep(0.01)

    file.write_text("[[")
    await until(lambda: "not TOML" in health.warnings.get("shops file", ""))
    file.write_text('shops = "none"\n')
    await until(lambda: "[[shops]]" in health.warnings.get("shops file", ""))
    file.write_text(PRINTS + TOY)
    await until(lambda: len(book.shops) == 2)
    watching.cancel()
    assert health.warnings == {}
