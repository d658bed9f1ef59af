"""What the bench says of its runs: pairing, median and spread, bars, two runs compared."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from processors.sources import ADAPTERS
from schemas.codec import Codec
from schemas.events import RECORDS, Cart, Order
from schemas.raw_delivery import RawDelivery
from tests.bench import report
from tests.bench.baselines.work import Work
from tests.bench.bodies import CART_BYTES, CARTS, ORDERS, SHOPS, Kind
from tests.bench.measure import (
    Row,
    Sample,
    Spread,
    alternate,
    at_most,
    quantile,
    rates,
    ratio_at_least,
    split,
)

FIGURES = st.lists(st.floats(0.1, 1e9), min_size=1)


def test_each_side_runs_once_for_nothing_then_every_round_the_other_way() -> None:
    ran: list[str] = []

    def side(name: str, seconds: float) -> Sample:
        ran.append(name)
        return Sample(100, seconds)

    found = alternate([lambda: side("ours", 1), lambda: side("theirs", 2)], runs=3)
    warm_up, *rounds = [ran[at : at + 2] for at in range(0, len(ran), 2)]
    assert sorted(warm_up) == ["ours", "theirs"]
    assert rounds == [["ours", "theirs"], ["theirs", "ours"], ["ours", "theirs"]]
    assert [[each.rate for each in samples] for samples in found] == [[100] * 3, [50] * 3]


def test_progress_counts_every_run_of_every_side() -> None:
    told: list[tuple[int, int]] = []
    alternate([lambda: Sample(1, 1)] * 2, 2, lambda done, total: told.append((done, total)))
    assert told == [(done, 6) for done in range(1, 7)]


def test_a_sample_tells_rate_and_cpu_of_an_event() -> None:
    sample = Sample(events=2000, seconds=0.5, cpu_seconds=0.04)
    assert sample.rate == 4000
    assert sample.cpu_us == pytest.approx(20)


@given(FIGURES)
def test_a_spread_is_one_of_the_middle_between_least_and_greatest(values: list[float]) -> None:
    spread = Spread.of(values)
    assert (spread.low, spread.high) == (min(values), max(values))
    assert sum(each < spread.median for each in values) <= len(values) / 2
    assert sum(each > spread.median for each in values) <= len(values) / 2


@given(FIGURES, st.floats(0, 1))
def test_a_quantile_has_its_share_below_it(values: list[float], share: float) -> None:
    found = quantile(sorted(values), share)
    assert found in values
    assert sum(each < found for each in values) <= share * len(values)


def test_the_bar_is_held_against_the_median_of_the_paired_ratios() -> None:
    ours = [Sample(each, 1) for each in (80, 10, 90)]
    theirs = [Sample(each, 1) for each in (100, 5, 100)]
    row = rates("s", "w", ours, "b", theirs, bar=ratio_at_least(0.9))
    assert row.ratios == [0.8, 2.0, 0.9]
    assert row.holds is True
    assert rates("s", "w", ours, "b", theirs, bar=ratio_at_least(0.91)).holds is False


def test_without_a_figure_no_bar_is_met_or_missed() -> None:
    assert Row("s", "w", bar=at_most(40), note="not built").holds is None


@pytest.mark.parametrize(
    ("cores", "stage", "servers"),
    [({0, 1}, {1}, {0}), ({2, 5, 7}, {7}, {2, 5}), ({3}, {3}, {3})],
)
def test_the_stage_has_the_last_core_for_itself(
    cores: set[int], stage: set[int], servers: set[int]
) -> None:
    found = split(cores)
    assert [set(found.stage), set(found.servers)] == [stage, servers]
    assert found.is_shared == (len(cores) == 1)


def _saved(path: Path, *ours: float, commit: str = "a") -> report.Told:
    row = rates(
        "ingress", "w", [Sample(int(each), 1, each / 1e6) for each in ours],
        "bare", [Sample(100, 1, 1e-4)] * len(ours),
    )  # fmt: skip
    report.save(path, [row, Row("ingress", "v", note="not built")], {"commit": commit})
    return report.load(path)


def test_two_runs_are_compared_by_ratio_and_cpu_and_overlap_is_no_change(tmp_path: Path) -> None:
    base = _saved(tmp_path / "a.json", 50, 60, 70)
    near, far = _saved(tmp_path / "b.json", 65, 80, 90), _saved(tmp_path / "c.json", 71, 80, 90)
    assert [(of, then, now, apart) for _, of, then, now, apart in report.changes(base, near)] == [
        ("x bare", 0.6, 0.8, False),
        ("CPU µs", pytest.approx(1), pytest.approx(1), False),
    ]
    assert report.changes(base, far)[0][-1] is True


def test_a_run_is_found_by_its_file_or_the_first_letters_of_its_commit(tmp_path: Path) -> None:
    for name in ("1a2b3c", "1a2b3c-dirty", "77aa"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"rows": []}))
    assert report.find("77", tmp_path).name == "77aa.json"
    assert report.find("1a2b3c", tmp_path).name == "1a2b3c.json"
    assert report.find(str(tmp_path / "77aa.json")).name == "77aa.json"
    with pytest.raises(report.CompareError, match="measured are: 1a2b3c, 1a2b3c-dirty, 77aa"):
        report.find("1a", tmp_path)


def test_what_was_not_written_by_the_bench_is_refused(tmp_path: Path) -> None:
    strange = tmp_path / "x.json"
    strange.write_text("{}")
    with pytest.raises(report.CompareError, match="not written by make bench"):
        report.load(strange)


def test_the_table_shows_figures_bars_and_what_was_not_run() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    row = rates(
        "ingress", "w", [Sample(1234, 1, 0.01)], "bare", [Sample(2468, 1)], bar=ratio_at_least(0.5)
    )
    console.print(report.table([row, Row("ingress", "v", note="not built")]))
    text = console.export_text()
    for shown in ("1,234 /s", "2,468 /s", "0.50", "≥ 0.5 x", "yes", "not built"):
        assert shown in text


@pytest.mark.parametrize(("kind", "record"), [(CARTS, Cart), (ORDERS, Order)])
def test_what_is_sent_becomes_one_event_and_no_two_are_alike(kind: Kind, record: type) -> None:
    work = Work(Codec({name: at for at, name in enumerate(RECORDS)}), SHOPS, b"key")
    events, said = [], set()
    for number in range(40):
        key, body, headers = kind.raw(number)
        read = work.read(RawDelivery.of(0, number, number, key, body, headers))
        slot, event = work.event(read)
        assert (slot, type(event), event.meta.entity.encode()) == (kind.noun, record, key)
        assert len(event.items) == (1 if kind is CARTS else 2)  # type: ignore[union-attr, arg-type]
        events.append(event)
        said.add(read.digest)
    assert len(said) == len(events)
    assert kind.source in ADAPTERS


@given(st.integers(0, 10**12))
def test_every_cart_has_the_size_that_figures_are_told_for(number: int) -> None:
    assert len(CARTS.body(number)) == CART_BYTES
