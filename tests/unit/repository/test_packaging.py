"""What the wheel would put where."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import hookline
from tests import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted(ROOT.glob("requirements*.lock"))
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


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_everything_in_a_lock_is_held_against_a_hash_and_names_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    for line in text.replace("\\\n", "").splitlines():
        assert "--hash=sha256:" in line, line


def test_the_makefile_writes_and_installs_every_lock() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert {path.name for path in LOCKS} == {
        "requirements.lock",
        "requirements-bench.lock",
        "requirements-dbt.lock",
        "requirements-sbom.lock",
        "requirements-truth.lock",
    }
    for path in LOCKS:
        assert f"--output-file {path.name}" in makefile
        assert f"--require-hashes -r {path.name}" in makefile


def test_dbt_has_an_environment_of_its_own() -> None:
    def names(lock: str) -> set[str]:
        lines = (ROOT / lock).read_text().splitlines()
        return {re.split(r"==|\[", line)[0] for line in lines if "==" in line}

    assert {"dbt-core", "dbt-postgres"} <= names("requirements-dbt.lock")
    for lock in ("requirements.lock", "requirements-bench.lock"):
        assert not {name for name in names(lock) if name.startswith("dbt-")}
    # The models reach the tables through PostgreSQL only.
    assert not {"faust-streaming", "psycopg", "pytest"} & names("requirements-dbt.lock")


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
        "hookline/dashboard/html/layout.html",
        "hookline/dashboard/static/style.css",
        "hookline/dashboard/vendored/htmx.min.js",
        "hookline/dashboard/vendored/htmx.LICENSE",
        "hookline/local/servers/downloads.json",
        "sinks/migrations/0001_delivery.sql",
    ):
        assert wanted in names
