"""Lists of the shops name exactly what was never sent, and a repair makes the tables the truth.

LONG=1: with carts, whose ends take a minute, for five seeds.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hookline.cli import app
from hookline.simulate.payloads import ciklik_subscriptions
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.run import Plan, Run, now_micros
from hookline.simulate.sending import joining
from hookline.simulate.sending.bodies import WITHHELD, BodyFiles
from hookline.simulate.sending.faults import Faults
from hookline.simulate.truth import verify
from hookline.simulate.truth.names import customer_key, order_key
from hookline.simulate.truth.received import Received
from hookline.simulate.world.facts import (
    CustomerState,
    Fact,
    Micros,
    OrderState,
    Step,
    SubscriptionState,
    entity_key,
)
from hookline.simulate.world.knobs import Knobs
from hookline.stack_address import READER_URL, StackAddress
from hookline.tables.queries import Reader
from runtime.settings import Settings
from tests import pipeline
from tests.conftest import LiveStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
IS_LONG = "LONG" in os.environ
SEEDS = range(77, 82) if IS_LONG else range(77, 78)
FAULTS = Faults(
    duplicates=0.1, reorder=0.1, late=0.05, lost=0.04, lost_answers=0.02, malformed=0.01
)


class Kept(BodyFiles):
    """The files, and the facts that were withheld, by what the list calls their objects."""

    def __init__(self, folder: Path, render: Callable[[Fact], Payload | None]) -> None:
        super().__init__(folder, render)
        self.withheld: dict[str, Fact] = {}

    def add(self, step: Step, payload: Payload, is_withheld: bool) -> None:
        super().add(step, payload, is_withheld)
        key = listed_as(step.fact)
        self.withheld.pop(key, None)
        if is_withheld:
            self.withheld[key] = step.fact


def listed_as(fact: Fact) -> str:
    """The key under which the tables hold the object of a fact."""
    shop, kind, number = entity_key(fact)
    match fact:
        case OrderState():
            return order_key(fact.shop, fact.number)
        case CustomerState() if fact.shop.source != "ciklik" or fact.accepts_marketing is None:
            return str(customer_key(fact.customer))
        case SubscriptionState():
            return f"{shop}/subscription:{ciklik_subscriptions.uuid_of(fact.number)}"
    return f"{shop}/{'optin' if kind == 'customer' else kind}:{number}"


def as_received(fact: Fact, taken_at: Micros) -> Received:
    """A withheld state as an import brings it: after all others."""
    return Received(fact, taken_at, taken_at, 10**9)


@pytest.fixture
def stages(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Iterator[pipeline.Pipeline]:
    shops = tmp_path / "shops.toml"
    shops.write_text("")
    settings = prepared(replace(stack.settings(), shops_file=str(shops)))
    with pipeline.running(settings, tmp_path / "logs") as found:
        yield found


@pytest.mark.parametrize("seed", SEEDS)
def test_reconcile_finds_exactly_what_was_withheld_and_a_repair_makes_the_tables_the_truth(
    stack: LiveStack, stages: pipeline.Pipeline, tmp_path: Path, seed: int
) -> None:
    settings, lists = stages.settings, tmp_path / "lists"
    plan = Plan(
        knobs=Knobs(
            seed=seed,
            start=now_micros(),
            seconds=20 if IS_LONG else 10,
            rate=60,
            shops=2,
            live_share=0.3 if IS_LONG else 0,
        ),
        faults=replace(FAULTS, seed=seed),
    )
    joining.add(Path(settings.shops_file), plan.shops, seed)
    joining.wait_until_known([stages.url], joining.settings_of(plan.shops).values(), print)
    plan = replace(plan, knobs=replace(plan.knobs, start=now_micros()))
    with Kept(lists, plan.render) as kept:
        run = Run(plan, bodies=kept)
        assert run.send([stages.url])
    received = list(run.received())
    assert len((lists / WITHHELD).read_text().splitlines()) == run.withheld > len(kept.withheld)

    with Reader(StackAddress(settings, "", stack.reader_url, "")) as reader:
        verify.wait_for_quiet(reader, received)
        before = verify.verify(reader, received, run.prefix)
        assert before.differences == []

        taken_at = time.time_ns() // 1_000_000_000 * 1_000_000
        at = datetime.fromtimestamp(taken_at / 1_000_000, UTC).isoformat()
        runner = CliRunner(env={**settings.environment(), READER_URL: stack.reader_url})

        def reconciled(path: Path, *options: str) -> Any:
            shop, _, event = path.stem.partition(".")
            name = next(each.key for each in plan.shops if each.key.replace("/", "-") == shop)
            named = ("--event", event.replace("-", "/")) if event else ()
            arguments = ["reconcile", name, str(path), "--taken-at", at, "--json", *named, *options]
            return json.loads(runner.invoke(app, arguments, catch_exceptions=False).stdout)

        files = [path for path in sorted(lists.iterdir()) if path.name != WITHHELD]
        found: set[str] = set()
        for path in files:
            result = reconciled(path)["found"]
            assert result["newer_here"] == 0
            assert result["missing_there"] == []
            assert result["refused"] == {}
            found |= {*result["missing_here"], *result["different"], *result["older_here"]}
        assert found == set(kept.withheld)

        for path in files:
            left = reconciled(path, "--repair", "--at-most", "1")["left"]
            assert (left["missing_here"], left["different"], left["older_here"]) == ([], {}, [])
        everything = received + [as_received(fact, taken_at) for fact in kept.withheld.values()]
        verify.wait_for_quiet(reader, everything)
        after = verify.verify(reader, everything, run.prefix)
    assert after.differences == [], "\n".join(map(str, after.differences))
    assert after.undecided == {}
    assert after.tables["orders"] > before.tables["orders"] > 100
