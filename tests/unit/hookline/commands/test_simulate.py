"""``hookline simulate`` without a stack: what it refuses, measures, writes and shows."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hookline.cli import app
from hookline.commands.shops import simulate_screens as screens
from hookline.simulate.run import Plan, Run, now_micros
from hookline.simulate.sending.faults import Faults
from hookline.simulate.sending.padding import padded
from hookline.simulate.world import Knobs
from hookline.simulate.world.facts import Step
from tests.unit.hookline.simulate.sending.simple_facts import order, render, shop


def simulate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *arguments])


def run() -> Run:
    knobs = Knobs(seed=7, start=now_micros(), seconds=5, rate=50)
    return Run(Plan(knobs=knobs, faults=Faults(seed=7)))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--no-send",), "name a folder with --write"),
        (("--verify", "--null-server"), "--verify needs a stack"),
        (("--verify", "--rate", "0"), "carts in real time"),
        (("--for", "soon", "--null-server"), "--for: write a duration"),
        (("--for", "0s", "--null-server"), "seconds: write a number above 0"),
        (("--clock-skew", "1h", "--null-server"), "clock_skew: write 0 to 20 seconds"),
        (("--duplicates", "2"), "2"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_the_option(
    arguments: tuple[str, ...], reason: str
) -> None:
    result = simulate(*arguments)
    assert result.exit_code != 0
    assert reason in f"{result.exception} {result.output}"


def test_a_null_server_gets_every_delivery(tmp_path: Path) -> None:
    journal, cpus = tmp_path / "journal.jsonl", os.sched_getaffinity(0)
    result = simulate(
        *("--null-server", "--rate", "300", "--for", "1s", "--seed", "3", "--json"),
        *("--duplicates", "0.5", "--journal", str(journal)),
    )
    figures = json.loads(result.stdout)
    assert figures["seed"] == 3
    assert figures["refused"] == figures["unsettled"] == 0
    assert figures["accepted"] == figures["facts"] > 100
    ended = figures["accepted"] + figures["repeated"] + figures["malformed"]
    assert figures["sent"] == ended == len(journal.read_text().splitlines())
    assert os.sched_getaffinity(0) == cpus


def test_one_seed_writes_the_same_shops_and_what_was_withheld_is_listed(tmp_path: Path) -> None:
    written = []
    for name in ("first", "second"):
        folder = tmp_path / name
        options = ("--no-send", "--for", "5s", "--seed", "3", "--lost", "0.1", "--json")
        figures = json.loads(simulate("--write", str(folder), *options).stdout)
        lines = {path.name: path.read_bytes().splitlines() for path in folder.iterdir()}
        assert len(lines.pop("withheld.jsonl")) == figures["withheld"] > 0
        # Each object once, however often it changed.
        assert 0 < sum(map(len, lines.values())) < figures["facts"]
        assert all(json.loads(line) for of_shop in lines.values() for line in of_shop)
        written.append({name: len(of_shop) for name, of_shop in lines.items()})
    assert written[0] == written[1]


def test_a_folder_that_holds_something_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    result = simulate("--write", str(tmp_path), "--no-send", "--for", "1s")
    assert "is not empty" in str(result.exception)


def test_the_facts_of_a_run_can_be_made_again() -> None:
    one = run()
    assert list(one.plan.steps()) == list(one.plan.steps())


def test_the_board_counts_what_was_answered() -> None:
    one = run()
    one.tally.planned, one.tally.accepted, one.tally.repeated = 12_345, 12_000, 300
    for _ in range(99):
        one.tally.answered(0.0021)
    one.tally.answered(0.5)
    cells = screens.board_cells(one, 512.4)
    assert (cells["sent"], cells["accepted"], cells["a second"]) == ("12,345", "12,000", "512")
    assert (cells["p50"], cells["p99"]) == ("2.2 ms", "2.2 ms")


def test_refusals_are_shown_with_their_text() -> None:
    one = run()
    one.tally.planned = one.tally.refused = 1
    one.tally.refusals.append('413 spiffy/x orders/create: {"error":"the body is too large"}')
    lines = "\n".join(screens.summary_lines(one))
    assert "refused 1, the first:" in lines
    assert "the body is too large" in lines


@pytest.mark.parametrize("size", [0, 40, 4000])
def test_bodies_are_filled_up_to_a_size_and_stay_json(size: int) -> None:
    payload = render(Step(0, order(shop("spiffy"), 1, 1)).fact)
    filled = padded(payload, size)
    assert len(filled.body) >= size
    assert json.loads(filled.body)["entity"] == json.loads(payload.body)["entity"]
