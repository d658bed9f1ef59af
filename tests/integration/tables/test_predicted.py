"""`hookline predict` recovers the parameters by which imported customers buy and spend."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hookline.analysis.forecast import WEEK
from hookline.simulate.run import Plan, Run, now_micros
from hookline.simulate.sending import joining
from hookline.simulate.sending.bodies import WITHHELD, BodyFiles
from hookline.simulate.sending.faults import Faults
from hookline.simulate.world import Behaviour, Knobs
from runtime.settings import Settings
from tests import pipeline
from tests.conftest import LiveStack
from tests.spiffy_shop import House
from tests.unit.hookline.simulate.test_recovered_parameters import NOTHING_ELSE, TRUE

CUSTOMERS = 5000
SHOPS = ("spiffy", "run-free", "shoprocket", "ciklik")
"""Gooten has no customers of its own, and its orders have no time."""

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(3600),
    pytest.mark.skipif("LONG" not in os.environ, reason="imports 25,000 customers: LONG=1"),
]


def test_the_parameters_come_back_within_a_twentieth_through_import_and_predict(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> None:
    """Each shop is a draw of 5,000 customers, with a sampling error of its own: their mean."""
    lists, shops = tmp_path / "lists", tmp_path / "shops.toml"
    shops.write_text("")
    settings = prepared(replace(stack.settings(), shops_file=str(shops)))
    knobs = Knobs(
        seed=11, start=now_micros() - 10_000_000, days=3650, customers=CUSTOMERS * 5, live_share=0,
        shops=1, behaviour=Behaviour(**TRUE, **NOTHING_ELSE),
    )  # fmt: skip
    plan = Plan(knobs=knobs, faults=Faults())
    joining.add(shops, plan.shops, knobs.seed)
    with BodyFiles(lists, plan.render) as bodies:
        Run(plan, bodies=bodies).write()
    begins = datetime.fromtimestamp(knobs.history_begins / 1_000_000, UTC).isoformat()
    with pipeline.running(settings, tmp_path / "logs") as stages:
        house = House(stack, settings, stages)
        for path in sorted(lists.glob("*.jsonl")):
            platform = next((name for name in SHOPS if path.name.startswith(name)), None)
            if path.name == WITHHELD or platform is None:
                continue
            shop = f"{platform}/{path.stem.removeprefix(f'{platform}-')}"
            began = time.monotonic()
            receipt = house.run("import", shop, str(path), "--history-from", begins, "--json")
            print(f"{shop}: {receipt['rows']:,} rows in {time.monotonic() - began:.0f} s")
            assert receipt["refused"] == {}
        house.rest()
        runs = house.run("predict", "--json", owner=True)
    assert len(runs) == len(SHOPS)
    for name, true in {**TRUE, "alpha": TRUE["alpha"] / WEEK}.items():
        models = [{**run["model"], **run["value_model"]} for run in runs]
        ratios = [model[name] / true for model in models]
        print(f"{name}: {', '.join(f'{ratio:.3f}' for ratio in ratios)} of the true one")
        assert abs(sum(ratios) / len(ratios) - 1) < 0.05, name
    assert all(run["predicted"] > 4500 for run in runs)
