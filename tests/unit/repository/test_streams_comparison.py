"""The comparison with Kafka Streams: its gaps and names; what is missing here is named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import ROOT
from tests.faults.streams import application
from tests.faults.streams.figures import (
    Gap,
    coordinator_partition,
    longest_gap,
    longest_of_all,
    longest_of_one,
    with_coordinator_of,
)

SECONDS = st.floats(min_value=0, max_value=1000)


def test_the_longest_gap_lies_between_two_moments_or_before_the_first() -> None:
    assert longest_gap([1.0, 2.0, 9.0, 10.0], 0.0, 11.0) == Gap(7.0)
    assert longest_gap([8.0, 9.0], 0.0, 10.0) == Gap(8.0)


def test_a_gap_that_nothing_ended_is_shown_as_longer_than_was_waited() -> None:
    assert longest_gap([1.0, 2.0], 0.0, 10.0) == Gap(8.0, is_over=False)
    assert str(longest_gap([], 0.0, 10.0)) == "> 10.0 s"
    assert str(Gap(7.04)) == "7.0 s"


def test_moments_outside_the_time_that_is_looked_at_do_not_count() -> None:
    assert longest_gap([-5.0, 4.0, 6.0, 30.0], 0.0, 8.0) == Gap(4.0)


@given(st.lists(SECONDS), SECONDS, SECONDS)
def test_no_moment_is_inside_a_gap_that_is_longer_than_the_longest(
    moments: list[float], one: float, other: float
) -> None:
    began, until = sorted((one, other))
    inside = [at for at in moments if began <= at <= until]
    longest = longest_gap(moments, began, until).seconds
    for start in (began, *inside):
        later = [at for at in (*inside, until) if at > start]
        assert min(later, default=start) - start <= longest


@given(st.dictionaries(st.integers(0, 3), st.lists(SECONDS), min_size=1))
def test_one_partition_is_never_silent_for_less_than_all(moments: dict[int, list[float]]) -> None:
    of_one = longest_of_one(moments, 0.0, 1000.0)
    assert of_one.seconds >= longest_of_all(moments, 0.0, 1000.0).seconds


def test_a_side_that_wrote_nothing_was_silent_all_the_time() -> None:
    assert longest_of_one({}, 0.0, 10.0) == longest_of_all({}, 0.0, 10.0) == Gap(10.0, False)


@pytest.mark.parametrize(
    ("group", "java_hash"),
    [
        ("hello", 99162322),
        ("hookline", -422683753),
        ("hookline.processors", -163203880),
    ],
)
def test_a_group_has_the_coordinator_that_java_s_hash_of_its_name_gives(
    group: str, java_hash: int
) -> None:
    assert coordinator_partition(group, 50) == abs(java_hash) % 50


def test_the_hash_that_has_no_positive_counterpart_counts_as_zero() -> None:
    # Java gives this name -2147483648, whose absolute value no int holds.
    assert coordinator_partition("polygenelubricants", 50) == 0


@given(st.text("abcdefghij_.-", min_size=1, max_size=30), st.integers(1, 50))
def test_a_name_is_numbered_until_its_coordinator_is_that_of_the_group(
    group: str, partitions: int
) -> None:
    name = with_coordinator_of(group, "streams", partitions)
    assert name.startswith("streams-")
    assert coordinator_partition(name, partitions) == coordinator_partition(group, partitions)


@pytest.mark.parametrize("program", ["mvn", "javac"])
def test_without_its_tools_the_application_is_left_out_by_name(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in {"mvn", "javac"} - {program}:
        (tmp_path / other).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(application.NotBuiltError, match=f"no {program} here"):
        application.build(tmp_path)


def test_nothing_that_maven_builds_is_in_the_repository() -> None:
    folder = ROOT / "tests" / "faults" / "streams"
    assert "/target/" in (folder / ".gitignore").read_text().split()
    assert not list(folder.rglob("*.jar"))
    assert not list(folder.rglob("*.class"))
