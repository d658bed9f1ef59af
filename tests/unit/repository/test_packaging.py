"""What the wheel would put where."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import hookline
from tests import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS = {"schemas", "runtime", "ingest", "processors", "sinks", "hookline"}


def test_the_top_level_names_of_the_wheel_are_ours_and_all_of_ours() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["packages"]) == OURS
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"} == OURS


def test_nothing_is_put_outside_our_packages() -> None:
    forced = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for source, target in forced.items():
        assert (ROOT / source).exists(), source
        assert target.partition("/")[0] in OURS


def test_our_generic_names_are_never_uploaded() -> None:
    assert "Private :: Do Not Upload" in PROJECT["project"]["classifiers"]


def test_the_packages_that_are_imported_are_these() -> None:
    assert Path(hookline.__file__).parent == ROOT / "hookline"


def test_the_consumers_of_private_parts_are_pinned_exactly() -> None:
    pinned = {"faust-streaming", "mode-streaming", "aiokafka", "uvicorn"}
    exact = {
        dependency.partition("==")[0]
        for dependency in PROJECT["project"]["dependencies"]
        if "==" in dependency
    }
    assert exact == pinned
    lock = (ROOT / "requirements.lock").read_text()
    for dependency in PROJECT["project"]["dependencies"]:
        if "==" in dependency:
            assert f"\n{dependency} \\\n" in f"\n{lock}"


def test_everything_in_the_lock_is_held_against_a_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text().replace("\\\n", "")
    for line in lock.splitlines():
        assert "--hash=sha256:" in line, line


def test_the_wheel_holds_our_packages_the_examples_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == OURS | {f"hookline-{PROJECT['project']['version']}.dist-info"}
    for wanted in (
        "hookline/examples/run-free/order-created.json",
        "hookline/shops.example.toml",
        "schemas/avro/orders.avsc",
        "hookline/capacity/measurements.json",
        "sinks/migrations/0001_delivery.sql",
    ):
        assert wanted in names
