"""Every curl line of docs/curl.md is accepted by an ingress, and gives events."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from runtime.settings import Settings
from runtime.shop_book import ShopBook
from schemas.platforms import PLATFORMS
from tests import ROOT
from tests.one_delivery import outcomes
from tests.served import Served, serving
from tests.toy_platform import Record

PAGE = (ROOT / "docs" / "curl.md").read_text()
COMMANDS = [block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "curl" in block]
[ADDED_SHOP] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def platform_of(command: str) -> str:
    found = re.search(r"/hooks/([a-z-]+)/", command)
    assert found is not None
    return found[1]


@pytest.fixture
def shops(tmp_path: Path) -> Path:
    path = tmp_path / "shops.toml"
    path.write_text((ROOT / "shops.example.toml").read_text() + "\n" + ADDED_SHOP)
    return path


async def run(command: str, served: Served) -> tuple[int, str]:
    """Exit status and output of a block, with the address of the ingress."""
    shell = f"set -eu\nINGRESS=http://127.0.0.1:{served.server.port}\n{command}"
    process = await asyncio.create_subprocess_exec(
        *("bash", "--norc", "-c", shell),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def results_of(command: str, shops: Path) -> list[dict[str, Any]]:
    """What a processor appends for the delivery that a block sends."""
    async with serving(Settings(port=0), shops) as served:
        status, output = await run(command, served)
        assert status == 0, output
        sent = served.record
    headers = tuple(sent.headers)
    record = Record(0, sent.key, sent.value, headers, timestamp=2_000_000_000_000)
    return outcomes(ShopBook(shops), record)


def test_every_platform_has_its_line() -> None:
    assert {platform_of(command) for command in COMMANDS} == set(PLATFORMS)


@pytest.mark.parametrize("command", COMMANDS, ids=platform_of)
async def test_a_line_gives_events_and_no_dead_letter(command: str, shops: Path) -> None:
    made = await results_of(command, shops)
    assert made
    assert [outcome for outcome in made if "reason" in outcome] == []


SIGNED = [command for command in COMMANDS if "openssl" in command]


@pytest.mark.parametrize("command", SIGNED, ids=platform_of)
async def test_a_body_changed_after_signing_is_refused(command: str, shops: Path) -> None:
    async with serving(Settings(port=0), shops) as served:
        status, output = await run(command.replace('"$body"\n', '"$body "\n'), served)
        assert status != 0
        assert "401" in output
        assert served.bodies == []


async def test_without_its_topic_header_a_delivery_names_it_in_its_dead_letter(
    shops: Path,
) -> None:
    [spiffy] = [command for command in COMMANDS if "X-Spiffy-Topic" in command]
    [letter] = await results_of(spiffy.replace("-H 'X-Spiffy-Topic: carts/create'", ""), shops)
    assert (letter["reason"], letter["path"]) == ("unknown-event", "hookline-event")
