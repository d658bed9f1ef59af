"""`hookline notify` beside Kafka: changed payloads, from the raw topic itself."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hookline.notify.conditions import drift
from runtime.settings import Settings
from tests.conftest import LiveStack, run_apart
from tests.raw import Raw, append
from tests.receivers import receiving

pytestmark = pytest.mark.stack


def bodies(total: object) -> list[Raw]:
    """Ten orders of a shop."""
    return [
        Raw("spiffy", "main", f"order:{n}", json.dumps({"id": n, "total": total}).encode(),
            event="orders/create")
        for n in range(10)
    ]  # fmt: skip


def test_a_field_of_another_type_is_reported_by_its_path(
    stack: LiveStack,
    prepared: Callable[[Settings], Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = prepared(stack.settings())
    assert drift.read(settings, int(time.time() * 1000)) == []
    run_apart(append(settings, bodies(12.5)))
    middle = int(time.time() * 1000) + 1
    while time.time() * 1000 <= middle:
        time.sleep(0.001)
    run_apart(append(settings, bodies("12.50")))
    day = 600_000
    monkeypatch.setattr(drift, "DAY_MS", day)
    [found] = drift.read(settings, middle + day)
    assert (found.alert, found.shop) == ("shop-drift", "spiffy/main")
    assert found.what == "the payload of orders/create changed: total (type)"
    assert "12.5" not in str(found)

    with receiving() as receiver:
        env = {
            **settings.environment(),
            "HOOKLINE_READER_URL": stack.reader_url,
            "HOOKLINE_STATE_DIR": str(tmp_path),
            "HOOKLINE_NOTIFY_URL": receiver.url,
            "HOOKLINE_NOTIFY_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        }
        command = [sys.executable, "-P", "-m", "hookline", "notify", "--once", "--json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        # All came in one day: nothing differs from the day before, of which there is nothing.
        assert json.loads(done.stdout)["waiting"] == {}
        assert not [each for each in json.loads(done.stdout)["open"] if "drift" in each["alert"]]
    state = json.loads((tmp_path / f"{settings.prefix}notify.json").read_text())
    assert state["drift_at"]
