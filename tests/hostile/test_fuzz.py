"""Twenty thousand mutated examples: each gives events or a dead letter with a path."""

import dataclasses
import time

import pytest

from processors.decide import Decider
from processors.sources import ADAPTERS
from processors.sources.contract import Delivery, Parsed
from tests.example_files import CONTACT_KEY
from tests.hostile import fuzz
from tests.hostile.cases import case

COUNT, SEED = 20_000, 7


@case(
    "JSON",
    "an example of any platform with bytes flipped, parts spliced, removed, repeated, nested,"
    " in other encodings, with other types and numbers (a million by `python -m"
    " tests.hostile.fuzz`)",
    200,
    "as received; events, or a dead letter with a path; none takes 50 ms",
)
@pytest.mark.timeout(300)
def test_mutated_bodies_are_events_or_rejects() -> None:
    report = fuzz.run(SEED, range(COUNT))
    if report.slow:
        print("slow:", *report.slow, sep="\n")  # printed, never asserted: this is no benchmark

    assert report.failed == []
    assert sum(report.became.values()) == COUNT
    assert report.became["canonical"] > COUNT // 10
    assert {"malformed-body", "invalid-payload", "out-of-range"} < set(report.became)


def test_a_body_of_a_seed_is_always_the_same() -> None:
    for number in range(50):
        assert fuzz.mutant(SEED, number) == fuzz.mutant(SEED, number)
    assert fuzz.mutant(SEED, 1).body != fuzz.mutant(SEED + 1, 1).body


def test_a_bug_and_a_slow_body_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy(delivery: Delivery) -> Parsed:
        began = time.process_time()
        while time.process_time() - began < fuzz.SLOW * 1.2:
            pass
        raise KeyError(delivery.raw.source)

    broken = {name: dataclasses.replace(adapter, parse=buggy) for name, adapter in ADAPTERS.items()}
    monkeypatch.setattr(fuzz, "VERDICTS", Decider(fuzz.VERDICTS._codec, broken, CONTACT_KEY))
    report = fuzz.run(SEED, range(3))

    assert len(report.failed) == len(report.slow) == 3
    assert all("KeyError" in line for line in report.failed)
    assert report.slow[0].startswith(f"{fuzz.mutant(SEED, 0).number} (")
