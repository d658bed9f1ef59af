"""The key of e-mail hashes belongs to the log: a processor of another one does not start."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hookline.audit.repair import repair
from runtime import contact_key
from runtime.kafka import operator_decisions, topics_admin
from runtime.registry import schema_ids
from runtime.settings import Settings
from tests import senders
from tests.conftest import LiveStack, discard, run_apart
from tests.pipeline import Pipeline, Shape, command_environment, prepared
from tests.raw import Raw, append, outcomes, wait_for_outcomes

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SECONDS = 90
OTHER = "another key of sufficient length"


@pytest.fixture
def settings(stack: LiveStack, tmp_path: Path) -> Iterator[Settings]:
    """Topics and schemas; a processor needs no tables."""
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    settings = replace(
        stack.settings(),
        shops_file=str(shops),
        session_timeout=6.0,
        heartbeat_interval=1.0,
        commit_interval=0.2,
    )
    run_apart(topics_admin.create_topics(settings))
    run_apart(schema_ids.register(settings))
    yield settings
    discard(settings)


@pytest.fixture
def processor(settings: Settings, tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline whose processors a test starts."""
    shape = Shape(ingresses=0, processors=0, sinks=0)
    with prepared(settings, tmp_path / "logs", shape) as pipeline:
        pipeline.start()
        yield pipeline


def on_a_new_machine(settings: Settings, key: str, folder: Path) -> Settings:
    return replace(settings, contact_key=key, state_dir=str(folder))


def hookline(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "hookline", *arguments],
        env=command_environment(settings, arguments[0]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def raws(first: int, count: int) -> list[Raw]:
    return [
        Raw("run-free", senders.SHOP, f"order:{order.number}", order.body)
        for order in senders.orders(first, count)
    ]


def test_a_processor_of_another_key_refuses_to_start_on_any_machine(
    settings: Settings, processor: Pipeline, tmp_path: Path
) -> None:
    ours = contact_key.fingerprint(settings.contact_key)
    other = contact_key.fingerprint(OTHER)
    asyncio.run(append(settings, raws(1, 20)))
    name = processor.join("process")
    asyncio.run(wait_for_outcomes(settings, 20, SECONDS))
    stranger = on_a_new_machine(settings, OTHER, tmp_path / "other machine")
    running = hookline(stranger, "accept-key", "--instead-of", ours, "--yes")
    processor.leave(name)
    asyncio.run(append(settings, raws(100, 20)))

    refused = hookline(stranger, "process")
    seen = hookline(stranger, "doctor").stdout
    with pytest.raises(contact_key.AnotherKeyError):
        asyncio.run(repair(stranger, {}))
    untouched = len(asyncio.run(outcomes(settings)))

    processor.settings = replace(processor.settings, state_dir=str(tmp_path / "new machine"))
    processor.join("process")
    asyncio.run(wait_for_outcomes(settings, 40, SECONDS))

    (line,) = [each for each in refused.stderr.splitlines() if "HOOKLINE_CONTACT_KEY" in each]
    assert refused.returncode == 70
    assert ours in line
    assert other in line
    assert "restore" in line
    assert "Traceback" not in refused.stderr
    assert untouched == 20
    assert OTHER not in refused.stdout + refused.stderr
    assert (running.returncode, "stop them all first" in running.stderr) == (1, True)
    assert f"this log was written with the key {ours}" in " ".join(seen.split())
    assert f"fingerprint {ours}, the log's" in " ".join(hookline(settings, "doctor").stdout.split())
    logged = (tmp_path / "logs" / f"{name}.log").read_text()
    assert ours in logged
    assert settings.contact_key not in logged


def test_another_key_is_in_force_once_an_operator_has_accepted_it(
    settings: Settings, processor: Pipeline, tmp_path: Path
) -> None:
    ours = contact_key.fingerprint(settings.contact_key)
    asyncio.run(append(settings, raws(1, 10)))
    name = processor.join("process")
    asyncio.run(wait_for_outcomes(settings, 10, SECONDS))
    processor.leave(name)
    changed = on_a_new_machine(settings, OTHER, tmp_path / "state")

    unnamed = hookline(changed, "accept-key", "--instead-of", "0000000000000000", "--yes")
    accepted = hookline(changed, "accept-key", "--instead-of", ours, "--yes")
    again = hookline(changed, "accept-key", "--instead-of", ours, "--yes")
    former = hookline(settings, "process")
    processor.settings = replace(processor.settings, contact_key=OTHER)
    processor.join("process")
    asyncio.run(append(settings, raws(100, 10)))
    asyncio.run(wait_for_outcomes(settings, 20, SECONDS))

    assert (unnamed.returncode, ours in unnamed.stderr) == (1, True)
    assert accepted.returncode == 0, accepted.stderr
    assert "in force already" in again.stdout
    assert former.returncode == 70
    assert asyncio.run(contact_key.recorded(settings)) == contact_key.fingerprint(OTHER)


async def test_of_processors_with_different_keys_on_an_empty_log_one_key_starts(
    settings: Settings,
) -> None:
    keys = [f"key number {number} of this test" for number in range(4)]
    claims = await asyncio.gather(
        *(contact_key.claim(replace(settings, contact_key=key)) for key in keys * 2),
        return_exceptions=True,
    )
    started = {each for each in claims if isinstance(each, str)}
    refused = [each for each in claims if isinstance(each, contact_key.AnotherKeyError)]
    assert (len(started), len(refused)) == (1, 6)
    assert started == {await contact_key.recorded(settings)}
    assert await operator_decisions.read(settings) == []
