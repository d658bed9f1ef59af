"""The names of the tests: the same for every worker that shares a run."""

import os
import subprocess
import sys


def collected(seed: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "--ignore=tests/bench", "tests"],
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in ran.stdout.splitlines() if "::" in line]


def test_two_collections_at_two_times_find_the_same_tests_in_the_same_order() -> None:
    one, two = collected("1"), collected("2")
    assert len(one) > 5000
    assert one == two
