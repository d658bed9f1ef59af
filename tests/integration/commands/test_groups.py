"""The workers of both groups are seen through Kafka alone, with what each owns and what waits."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from typer.testing import CliRunner, Result

from hookline.cli import app
from hookline.groups.groups import GroupState, states
from runtime.settings import Settings
from schemas.topics import WEBHOOKS
from tests import senders
from tests.conftest import LiveStack, prepare, run_apart
from tests.pipeline import Pipeline, running
from tests.raw import Raw, append

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


@pytest.fixture
def settings(live_stack: LiveStack) -> Settings:
    return prepare(live_stack.settings())


@pytest.fixture
def pipeline(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("groups")
    shops = folder / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    elsewhere = replace(settings, shops_file=str(shops))
    with running(elsewhere, folder / "logs", processors=2) as pipeline:
        yield pipeline


def status(settings: Settings, *options: str) -> Result:
    return CliRunner().invoke(app, ["status", *options], env=settings.environment())


@pytest.mark.usefixtures("pipeline")
def test_both_processors_are_seen_with_all_partitions_between_them(settings: Settings) -> None:
    deadline = time.monotonic() + 60
    while not is_settled(found := run_apart(states(settings))):
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    processors, sinks = found
    assert [each.client for each in processors.members] == ["hookline-processors"] * 2
    owned = [set(each.partitions[settings.topic(WEBHOOKS)]) for each in processors.members]
    assert not owned[0] & owned[1]
    assert processors.topics[0].unowned == ()
    assert len(sinks.members) == 1
    ended = status(settings, "--json")
    shown = json.loads(ended.output)
    assert (ended.exit_code, shown["groups_error"]) == (0, None)
    assert [group["group"] for group in shown["groups"]] == [processors.group, sinks.group]
    plain = status(settings).output
    assert f"{processors.group}: 2 workers, Stable" in plain


def is_settled(found: list[GroupState]) -> bool:
    processors, sinks = found
    return (
        processors.state == sinks.state == "Stable"
        and sum(each.owned > 0 for each in processors.members) == 2
    )


def test_without_workers_all_that_waits_is_counted_and_the_status_is_1(settings: Settings) -> None:
    delivery = Raw("run-free", senders.SHOP, "order:1", b"{}")
    run_apart(append(settings, [delivery] * 3))
    processors, sinks = run_apart(states(settings))
    assert (processors.members, sinks.members) == ([], [])
    (lag,) = processors.topics
    assert lag.records == 3
    assert lag.seconds is not None
    ended = status(settings)
    assert ended.exit_code == 1
    assert "hookline.processors: 0 workers" in ended.output
    assert "hookline.webhooks: 3 records wait, the oldest for " in ended.output
