"""SIGTERM reaches a stage that waits for a server: it ends in order, whatever it has opened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from hookline.local.process import free_port

ROOT = Path(__file__).parents[3]
STAGES = ("ingest", "process", "sink")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_waits_for_kafka_ends_without_an_error(stage: str, tmp_path: Path) -> None:
    port, pages, away = free_port(), free_port(), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE")},
        "HOOKLINE_BROKERS": f"127.0.0.1:{away}",
        "HOOKLINE_REGISTRY_URL": f"http://127.0.0.1:{away}",
        "HOOKLINE_PORT": str(port),
        "HOOKLINE_HEALTH_PORT": str(pages),
        "HOOKLINE_SHOPS_FILE": str(ROOT / "shops.example.toml"),
        "HOOKLINE_STATE_DIR": str(tmp_path / "state"),
    }
    if stage == "process":
        environment["HOOKLINE_CONTACT_KEY"] = "the contact key of the tests"
    if stage == "sink":
        environment["HOOKLINE_DATABASE_URL"] = f"postgresql://127.0.0.1:{away}/hookline"
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hookline", stage],
            cwd=ROOT, env=environment, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            _until_unready(pages, process)
            process.send_signal(signal.SIGTERM)
            code = process.wait(40)
        finally:
            process.kill()
    text = log.read_text()
    assert code == 0, text
    for word in ("Traceback", "Error while stopping", "CancelledError", "never retrieved"):
        assert word not in text


def _until_unready(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return once the stage's page says that it waits for Kafka."""
    page = f"http://127.0.0.1:{port}/readyz"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if "kafka" in httpx.get(page, timeout=2, trust_env=False).text.lower():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError("the stage did not begin to wait for Kafka")
