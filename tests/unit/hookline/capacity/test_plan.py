"""Capacity: what follows from the figures, what is left open, and what the command says."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from typer.testing import CliRunner

from hookline.capacity import measurements
from hookline.capacity.load import CapacityError, Load, Machines
from hookline.capacity.measurements import Figures
from hookline.capacity.plan import Plan, even_count, partitions_for, plan
from hookline.capacity.report import caveats, find_limits, first_limit, rows, seconds, size, span
from hookline.cli import app
from hookline.console.errors import CommandError
from schemas import envelopes
from schemas.envelopes import Outcome
from schemas.topics import ORDERS
from tests.bench import capacity_file, ingress
from tests.bench.capacity_bytes import decided, mean_bytes, taken
from tests.bench.capacity_file import WANTED, merged, none
from tests.capacity_page import PAGE, page
from tests.example_files import examples

RATES = st.floats(0.01, 1e7)
SHARES = st.floats(0, 0.9)

ROUND = {
    "ingress_cpu": 100.0, "processor_cpu": 50.0, "sink_cpu": 80.0, "postgres_cpu": 100.0,
    "broker_cpu": 20.0, "body": 700.0, "raw_overhead": 300.0, "event": 500.0,
    "events_per_delivery": 1.0, "order": 2000.0, "cart": 3000.0, "customer": 1000.0,
    "wal": 1500.0, "index_entry": 40.0, "ingress_memory": 1e8, "processor_memory": 2e8,
    "sink_memory": 1e8, "take_over_log": 10.0, "take_over_cache": 2.0,
}  # fmt: skip


def known(**changed: float | None) -> Figures:
    """Figures that are easy to reckon with."""
    return Figures(
        **{
            name: structs.replace(figure, value={**ROUND, **changed}[name])
            for name, figure in none().named().items()
        }
    )


def parts(made: Plan) -> dict[str, float]:
    """What must not shrink as the rate grows, whatever the number of prefixes."""
    found = {
        "prefixes": made.prefixes,
        "ingress": made.ingress.cores,
        "processors": made.processors.cores,
        "sinks": made.sinks.cores,
        "postgres": made.postgres.cores,
        "kafka": made.kafka.cores,
        "index": made.index,
        "written": made.kafka.written,
        "raw": made.kafka.raw,
        "year": made.kafka.year,
        "wal": made.postgres.wal,
        "day": made.postgres.day,
    }
    return {name: value for name, value in found.items() if value is not None}


def counts(made: Plan) -> list[int]:
    found = (
        made.ingress.processes,
        made.processors.processes,
        made.sinks.processes,
        made.kafka.partitions,
        made.kafka.brokers,
    )
    return [count for count in found if count is not None]


def test_one_load_calculated_manually() -> None:
    made = plan(Load(rate=10_000, peak=2), known(), Machines(headroom=0.5, process_memory=12.2e9))
    # 20,000 a second at the peak x 100 µs = 2 cores, of which half may be used.
    assert (made.ingress.processes, made.sinks.processes) == (4, 4)
    assert [made.ingress.cores, made.sinks.cores] == pytest.approx([2.0, 1.6])
    # 10,000/s for three days x 40 B = 103.68 GB of index, 12 GB of it in each: 8.64, so 12.
    assert made.index == pytest.approx(103.68e9)
    assert (made.processors.processes, made.processors.bound) == (12, "memory")
    assert made.processors.memory == pytest.approx(0.2e9 + 8.64e9)
    assert list(made.take_over) == pytest.approx([8.64e9 / 40 / 1e6 * 10, 8.64e9 / 40 / 1e6 * 2])
    assert (made.prefixes, made.postgres.servers) == (1, 1)
    assert made.kafka.partitions == 24
    # 20,000 x (1000 raw + 500 canonical) x 3 copies = 90 MB/s: two brokers would do, at least 3.
    assert made.kafka.written == pytest.approx(90e6)
    assert (made.kafka.brokers, made.kafka.bound) == (3, "copies")
    assert made.kafka.raw == pytest.approx(10_000 * 24 * 86_400 * 1000 * 3)
    assert made.postgres.day == pytest.approx(10_000 * 86_400 * (1000 + 375 + 125))


@given(RATES, RATES, SHARES)
def test_more_deliveries_never_ask_for_less(one: float, other: float, headroom: float) -> None:
    machines, (less, more) = Machines(headroom=headroom), sorted((one, other))
    small, large = (plan(Load(rate=rate), known(), machines) for rate in (less, more))
    assert len(parts(small)) == 12
    assert all(value <= parts(large)[name] for name, value in parts(small).items())
    if small.prefixes == large.prefixes:
        assert all(few <= many for few, many in zip(counts(small), counts(large), strict=True))


@given(RATES, SHARES, st.floats(1, 20), st.floats(1, 5), st.integers(60, 30 * 86_400))
def test_the_peak_leaves_its_headroom_on_every_core_and_its_room_in_every_memory(
    rate: float, headroom: float, peak: float, events: float, window_s: int
) -> None:
    machines = Machines(headroom=headroom)
    load = Load(rate=rate, peak=peak, events=events, window_s=window_s)
    made = plan(load, known(), machines)
    at_peak = rate * peak
    for stage, needed in (
        (made.ingress, at_peak * 100e-6),
        (made.processors, at_peak * events * 50e-6),
        (made.sinks, at_peak * events * 80e-6),
    ):
        assert stage.processes is not None
        assert stage.memory is not None
        assert stage.processes >= 2 * made.prefixes
        assert needed <= stage.processes * machines.usable * (1 + 1e-9)
        assert stage.memory <= machines.process_memory * (1 + 1e-9)
    assert made.postgres.servers is not None
    busy = at_peak * events * 100e-6
    assert at_peak * events * 1500 <= made.postgres.servers * machines.postgres_log * (1 + 1e-9)
    assert busy <= made.postgres.servers * machines.postgres_cores * machines.usable * (1 + 1e-9)


@given(RATES, SHARES)
def test_every_worker_has_as_many_partitions_as_the_next_and_room_to_double(
    rate: float, headroom: float
) -> None:
    made = plan(Load(rate=rate), known(), Machines(headroom=headroom))
    assert made.kafka.partitions is not None
    for stage in (made.processors, made.sinks):
        assert stage.processes is not None
        each = stage.processes // made.prefixes
        assert made.kafka.partitions % each == 0
        assert made.kafka.partitions >= 2 * each


@given(st.floats(0.01, 1e6))
def test_an_even_count_is_enough_and_divides_the_partitions_made_for_it(need: float) -> None:
    count = even_count(need)
    assert need <= count
    assert count < max(2, 1.5 * math.ceil(need) + 1)
    assert partitions_for(count) % count == 0


def test_even_counts_are_these() -> None:
    assert sorted({even_count(need) for need in range(1, 33)}) == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]


def test_beyond_one_postgresql_the_shops_are_put_into_several_prefixes() -> None:
    figures, machines = known(), Machines(postgres_cores=16, headroom=0.5)
    # One carries 8 busy cores: 80,000 events a second at 100 µs.
    assert plan(Load(rate=80_000, peak=1), figures, machines).prefixes == 1
    made = plan(Load(rate=240_001, peak=1), figures, machines)
    assert made.prefixes == 4
    assert first_limit(made, find_limits(made, figures)).startswith(
        "The first limit is one PostgreSQL of 16 cores: 80,000 deliveries/s"
    )


def test_where_each_ends_is_where_a_plan_needs_the_next_one() -> None:
    figures, machines = known(), Machines()
    made = plan(Load(rate=1), figures, machines)
    walls = [each for each in find_limits(made, figures) if each.is_wall]
    wall = walls[0]
    # 200 MB/s of log at 1500 B an event, and 22.4 busy cores at 100 µs; three times at the peak.
    assert [each.at for each in walls] == pytest.approx([200e6 / 4500, 22.4 / 300e-6])
    assert wall.at is not None
    for share, prefixes in ((0.999, 1), (1.001, 2)):
        assert plan(Load(rate=wall.at * share), figures, machines).prefixes == prefixes
    ordered = [each.at for each in find_limits(made, figures)]
    assert ordered == sorted(ordered, key=lambda at: at or 0.0)


def test_what_is_not_measured_is_left_open_and_reported() -> None:
    figures = known(postgres_cpu=None, wal=None, index_entry=None, order=None)
    made = plan(Load(rate=10_000), figures)
    assert (made.postgres.servers, made.postgres.day, made.index) == (None, None, None)
    assert (made.processors.processes, made.kafka.partitions, made.kafka.brokers) == (None,) * 3
    assert made.sinks.processes is not None
    told = {part: needed for part, needed, _ in rows(made)}
    assert told["PostgreSQL"] == told["processors"] == told["brokers"] == "not measured"
    sentence = first_limit(made, find_limits(made, figures))
    assert sentence.startswith("The limit of one PostgreSQL is not measured")
    assert "first measured limit: one processor reads its index" in sentence
    assert caveats(figures)[0].endswith("postgres_cpu, order, wal, index_entry")


def test_figures_that_are_all_missing_still_make_a_plan() -> None:
    made = plan(Load(rate=1), none())
    assert counts(made) == []
    assert parts(made) == {"prefixes": 1}
    assert [each.at for each in find_limits(made, none())] == [None] * 8
    assert len(list(rows(made))) == 12


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"rate": 0}, "--rate: a number above 0, not 0"),
        ({"rate": math.inf}, "--rate: a number above 0, not inf"),
        ({"rate": 1, "events": 0.5}, "--events-per-delivery: 1 or more, not 0.5"),
        ({"rate": 1, "peak": 0.5}, "--peak: 1 or more, not 0.5"),
        ({"rate": 1, "peak": math.nan}, "--peak: 1 or more, not nan"),
        ({"rate": 1, "orders": -1}, "--orders: 0 or more, not -1"),
        ({"rate": 1, "body": 0}, "--body: 1 or more, not 0"),
        ({"rate": 1, "window_s": 0}, "--window: a number above 0, not 0"),
    ],
)
def test_a_load_that_cannot_be_names_the_option(given_: dict[str, float], said: str) -> None:
    with pytest.raises(CapacityError) as raised:
        Load(**given_)  # type: ignore[arg-type]
    assert str(raised.value) == said


@pytest.mark.parametrize("given_", [{"headroom": 1.0}, {"headroom": -0.1}, {"replication": 0}])
def test_machines_that_cannot_be_name_the_option(given_: dict[str, float]) -> None:
    with pytest.raises(CapacityError, match=f"--{next(iter(given_))}"):
        Machines(**given_)  # type: ignore[arg-type]


def test_a_process_that_does_not_fit_its_memory_is_refused() -> None:
    with pytest.raises(CapacityError, match=r"--process-memory: a process alone takes 0\.20 GB"):
        plan(Load(rate=1), known(), Machines(process_memory=0.15e9))


# The data file.


def test_the_packages_figures_are_read_and_say_where_they_come_from() -> None:
    figures = measurements.read()
    assert list(figures.named()) == list(WANTED)
    for figure in figures.named().values():
        assert figure.by.startswith("make bench ONLY=")
        assert (figure.value is None) == (not figure.machine) == (not figure.commit)
    assert capacity_file.TARGET.read_text() == measurements.to_json(figures)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "missing required field `ingress_cpu`"),
        ("rate = 1", "JSON is malformed"),
        (measurements.to_json(known()).replace('"value": 100.0', '"value": -1', 1), "> 0"),
        (measurements.to_json(known()).replace('"unit"', '"units"', 1), "`units`"),
    ],
)
def test_a_file_that_holds_no_figures_says_why(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "ours.json"
    path.write_text(text)
    with pytest.raises(CommandError) as raised:
        measurements.read(path)
    assert said in str(raised.value)
    assert "python -m tests.bench.capacity --write" in str(raised.value)


def test_figures_survive_being_written(tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    path.write_text(measurements.to_json(known()))
    assert measurements.read(path) == known()


# From the bench's runs to the file.


def run(*rows: dict[str, object], runs: int = 5, scale: float = 1.0) -> dict[str, object]:
    told = {"commit": "abc", "at": "now", "machine": "two cores", "runs": runs, "scale": scale}
    return {**told, "rows": list(rows)}


def row(scenario: str, work: str, median: float, of: str = "values") -> dict[str, object]:
    return {"scenario": scenario, "work": work, "values": [], "cpu_us": [], of: {"median": median}}


def test_a_stages_own_scenario_goes_before_the_flow_through_all_of_them() -> None:
    flow = row("capacity", "CPU of ingress, a delivery", 90.0)
    alone = row("ingress", ingress.WORK, 61.23456, "cpu_us")
    assert merged(none(), [run(flow)]).ingress_cpu.value == 90.0
    figure = merged(none(), [run(flow, alone)]).ingress_cpu
    assert (figure.value, figure.by) == (61.23, "make bench ONLY=ingress")
    assert (figure.machine, figure.commit, figure.at) == ("two cores", "abc", "now")
    assert not figure.provisional


def test_all_but_exact_counts_is_provisional_of_a_short_run_or_a_busy_machine() -> None:
    timed = row("capacity", "CPU of PostgreSQL, a delivery", 100.0)
    counted_ = row("capacity", "canonical record", 500.0)
    for told, is_busy, expected in (
        (run(timed, counted_), False, False),
        (run(timed, counted_), True, True),
        (run(timed, counted_, runs=2), False, True),
        (run(timed, counted_, scale=0.1), False, True),
    ):
        figures = merged(none(), [told], provisional=is_busy)
        assert figures.postgres_cpu.provisional is expected
        assert figures.event.provisional is False


def test_take_over_is_given_for_a_million_and_small_indexes_give_nothing() -> None:
    work = "take-over of a partition with {} entries, from the log"
    large = row("index", work.format("200,000"), 1.5)
    assert merged(none(), [run(large)]).take_over_log.value == pytest.approx(7.5)
    small = row("index", work.format("10,000"), 1.5)
    assert merged(none(), [run(small)]).take_over_log.value is None
    entry = row("index", "bytes an entry, 1,000,000 deliveries", 39.5)
    assert merged(none(), [run(entry)]).index_entry.value == 39.5


def test_a_run_that_does_not_measure_a_figure_leaves_it_unchanged() -> None:
    failed: dict[str, object] = {"scenario": "ingress", "work": "failed", "values": []}
    assert merged(known(), [run(failed)]) == known()


def test_the_run_that_is_named_last_goes_first() -> None:
    one, other = (row("capacity", "canonical record", value) for value in (500.0, 510.0))
    assert merged(none(), [run(one), run(other)]).event.value == 510.0


# Bytes of topics.


def test_a_record_counts_with_its_share_of_the_frame() -> None:
    one = Outcome("orders", b"key", b"x" * 1000, [("header", b"value")])
    frame = 61  # of a batch of Kafka's message format 2
    alone = mean_bytes([one])
    assert frame + 1000 < alone < frame + 1000 + 40
    assert alone - frame <= mean_bytes([one] * 500) < alone - frame + 2
    full = mean_bytes([one] * 2000)  # more than one batch
    assert full == pytest.approx(mean_bytes([one] * 500), rel=0.01)


async def test_examples_are_counted_as_ingress_and_processors_would_append_them() -> None:
    choice = [each for each in examples() if each.name == "run-free/order-created"]
    (raw,), shops = await taken(choice)
    assert raw.value == choice[0].body
    (event,) = decided(raw, shops)
    assert event.topic == ORDERS.name
    assert dict(event.headers)[envelopes.ENTITY] == raw.key


# What people read.


def test_the_page_is_as_its_generator_writes_it() -> None:
    assert PAGE.read_text() == page()


def test_the_command_prints_the_table_and_the_first_limit(tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    path.write_text(measurements.to_json(known()))
    said = CliRunner().invoke(app, ["capacity", "--rate", "10000", "--figures", str(path)])
    assert said.exit_code == 0, said.output
    assert "10,000 deliveries/s, 30,000 at the peak" in said.output
    assert "The first limit: " in said.output
    assert "how far one goes" in said.output


def test_a_machine_reads_the_same_numbers(tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    path.write_text(measurements.to_json(known(sink_cpu=None)))
    asked = ["capacity", "--rate", "500", "--window", "24h", "--retention", "7d", "--peak", "2"]
    said = CliRunner().invoke(app, [*asked, "--figures", str(path), "--json"])
    assert said.exit_code == 0, said.output
    told = json.loads(said.output)
    load = Load(rate=500, peak=2, window_s=86_400, retention_s=7 * 86_400)
    made = plan(load, known(sink_cpu=None))
    assert told["processors"]["processes"] == made.processors.processes
    assert told["kafka"]["raw"] == made.kafka.raw
    assert (told["load"]["window_s"], told["sinks"]["processes"]) == (86_400, None)
    assert told["not_measured"] == ["sink_cpu"]


def test_sizes_and_times_are_short() -> None:
    assert [size(value) for value in (12, 1500, 103.68e9, 1.2e13)] == [
        "12 B", "1.5 kB", "104 GB", "12 TB",
    ]  # fmt: skip
    assert [seconds(value) for value in (9, 300, 7200, 200_000)] == [
        "9 s", "5 min", "2 h", "2.31 days",
    ]  # fmt: skip
    assert [span(value) for value in (604_800, 5400, 90)] == ["7d", "90m", "90s"]
