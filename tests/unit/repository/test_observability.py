"""Prometheus and Grafana of docker-compose.yml: what they are given exists and fits together."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests import ROOT
from tests.boards.board import POSTGRES, PROMETHEUS
from tests.boards.boards import BOARDS
from tests.unit.repository.test_alerts import promtool
from tests.unit.repository.test_compose import SERVICES, STAGES

FOLDER = ROOT / "docs" / "observability"


def mounted(service: str) -> dict[str, Path]:
    """What a container finds at a path -> the file or folder here."""
    pairs = [volume.split(":") for volume in SERVICES[service]["volumes"]]
    for source, _, *mode in pairs:
        assert not source.startswith(".") or mode == ["ro"]
    return {target: ROOT / source for source, target, *_ in pairs if source.startswith(".")}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_everything_that_is_mounted_exists() -> None:
    for service in ("prometheus", "grafana"):
        assert all(path.exists() for path in mounted(service).values())


def test_promtool_finds_no_fault_in_the_configuration_and_finds_our_rules(tmp_path: Path) -> None:
    etc = tmp_path / "etc" / "prometheus"
    for target, path in mounted("prometheus").items():
        inside = tmp_path / target.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, inside)
        else:
            shutil.copy(path, inside)
    checked = subprocess.run(
        [promtool(), "check", "config", str(etc / "prometheus.yml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    assert "1 rule files found" in checked.stdout
    assert "rules found" in checked.stdout


def test_every_process_of_every_stage_is_scraped_often_enough_for_the_alerts() -> None:
    config = read(FOLDER / "prometheus.yml")
    assert config["global"]["scrape_interval"] == "15s"
    text = (ROOT / "Dockerfile").read_text()
    found = {}
    for job in config["scrape_configs"]:
        [discovered] = job["dns_sd_configs"]
        [name] = discovered["names"]
        assert f"HOOKLINE_HEALTH_PORT={discovered['port']}" in text
        found[name] = job["job_name"]
    assert found == {name: f"hookline-{name}" for name in STAGES}
    for name in STAGES:
        assert SERVICES[name]["environment"]["HOOKLINE_HEALTH_HOST"] == "0.0.0.0"
        assert not any("9100" in port for port in SERVICES[name].get("ports", []))


def test_grafana_has_the_sources_that_the_boards_choose_from() -> None:
    sources = read(FOLDER / "grafana" / "datasources" / "hookline.yml")["datasources"]
    assert {each["type"] for each in sources} == {PROMETHEUS, POSTGRES}
    assert {board.source for board in BOARDS} == {PROMETHEUS, POSTGRES}
    by_type = {each["type"]: each for each in sources}
    assert by_type[PROMETHEUS]["url"] == "http://prometheus:9090"
    tables = by_type[POSTGRES]
    assert (tables["url"], tables["user"]) == ("postgres:5432", "hookline_reader")
    assert tables["secureJsonData"] == {"password": "$READER_PASSWORD"}
    assert "READER_PASSWORD" in SERVICES["grafana"]["environment"]


def test_grafana_reads_the_boards_where_they_are_mounted() -> None:
    [provider] = read(FOLDER / "grafana" / "dashboards" / "hookline.yml")["providers"]
    path = mounted("grafana")[provider["options"]["path"]]
    assert {each.name for each in path.glob("*.json")} == {f"{b.name}.json" for b in BOARDS}
