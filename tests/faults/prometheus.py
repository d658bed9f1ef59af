"""A real Prometheus with the rules of docs/alerts, beside the stages of a storm."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from hookline.local.process import Child, free_port
from tests.alerts import RULES

EVERY = 5
"""Seconds between scrapes, and between evaluations."""
MISSING = "no prometheus here, so no alert is watched: apt-get install prometheus brings one"
_START = 30.0
_LOOK = 0.5
"""Seconds between looks whether workers have come or gone for good."""
_POINTS = 10_000
"""Of one series in an answer: Prometheus gives no more than 11,000."""

Alerts = list[tuple[str, list[float]]]
"""Names with the times (epoch, seconds) at which an alert of that name was seen."""


def program() -> str | None:
    """Return the path of prometheus, or None where there is none."""
    return shutil.which("prometheus")


class Prometheus:
    """Scrapes every worker of ``ports`` (name -> port); ``running`` starts and ends it.

    A killed worker stays a target, as in production: it has a port as long as somebody starts
    it again.
    """

    def __init__(self, directory: Path, ports: Callable[[], Mapping[str, int]]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._ports = directory, ports
        self._targets = directory / "targets.json"
        self._written: dict[str, int] | None = None
        self._over = threading.Event()
        self._port = free_port()
        config = directory / "prometheus.yml"
        config.write_text(json.dumps(self._config()))  # which is YAML
        self._child = Child(
            "prometheus",
            [
                program() or "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--log.level=warn",
            ],
            directory / "prometheus.log",
            directory=directory,
        )

    def _config(self) -> dict[str, Any]:
        return {
            "global": {
                "scrape_interval": f"{EVERY}s",
                "scrape_timeout": f"{EVERY - 1}s",
                "evaluation_interval": f"{EVERY}s",
            },
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {"job_name": "hookline", "file_sd_configs": [{"files": [str(self._targets)]}]}
            ],
        }

    def start(self) -> None:
        """Return once it answers. Raises TimeoutError."""
        self._tell_targets()
        self._child.start()
        deadline = time.monotonic() + _START
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"prometheus does not answer: {self._directory}")
            time.sleep(0.2)
        threading.Thread(target=self._follow, daemon=True).start()

    def stop(self) -> None:
        """End it; what it has stored is deleted."""
        self._over.set()
        self._child.stop()
        shutil.rmtree(self._directory / "data", ignore_errors=True)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self._url}/-/ready", trust_env=False, timeout=2).is_success
        except httpx.HTTPError:
            return False

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _follow(self) -> None:
        while not self._over.wait(_LOOK):
            self._tell_targets()

    def _tell_targets(self) -> None:
        ports = dict(self._ports())
        if ports == self._written:
            return
        targets = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}}
            for name, port in ports.items()
        ]
        new = self._targets.with_suffix(".new")
        new.write_text(json.dumps(targets))
        new.replace(self._targets)  # at once: Prometheus never reads half a file
        self._written = ports

    def _ask(self, path: str, **parameters: Any) -> Any:
        answer = httpx.get(
            f"{self._url}/api/v1/{path}", params=parameters, trust_env=False, timeout=30
        )
        answer.raise_for_status()
        return answer.json()["data"]

    def active(self) -> dict[str, str]:
        """Return the alerts of now: name -> ``firing``, or ``pending`` where none fires yet."""
        found: dict[str, str] = {}
        for alert in self._ask("alerts")["alerts"]:
            name, state = alert["labels"]["alertname"], alert["state"]
            found[name] = state if found.get(name) != "firing" else "firing"
        return found

    def fired(self, began: float) -> Alerts:
        """Return what has fired since ``began`` (epoch, seconds), each as often as its labels."""
        now = time.time()
        found = self._ask(
            "query_range",
            query='ALERTS{alertstate="firing"}',
            start=began,
            end=now,
            step=max(1.0, (now - began) / _POINTS),
        )
        return [
            (series["metric"]["alertname"], [float(at) for at, _ in series["values"]])
            for series in found["result"]
        ]


@contextmanager
def running(directory: Path, ports: Callable[[], Mapping[str, int]]) -> Iterator[Prometheus]:
    """Give a Prometheus that scrapes; ended whatever happens."""
    prometheus = Prometheus(directory, ports)
    try:
        prometheus.start()
        yield prometheus
    finally:
        prometheus.stop()
