"""A dashboard and a Chromium tab of it, open beside the stages of a soak."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from hookline.local.process import Child, free_port, tail, wait_until
from runtime.settings import Settings
from tests import ROOT

LIMIT = 100.0
"""MB that a tab may hold."""
_START = 60.0


class DashboardError(Exception):
    """The dashboard or the tab did not start, or ended early; says which and its last words."""


@dataclass(slots=True)
class OpenTab:
    """A running dashboard, and what its tab has printed so far (``looks``)."""

    dashboard: Child
    tab: Child

    @property
    def looks(self) -> list[dict[str, float]]:
        """What the tab held, once a minute. Keys: see ``tests.browser.open_tab``."""
        lines = self.tab.log.read_text().splitlines() if self.tab.log.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{")]

    def problem(self) -> str | None:
        """What is wrong with the tab, if anything is."""
        looks = self.looks
        if not self.tab.is_running or not looks:
            return f"the tab ended: {tail(self.tab.log)}"
        held = max(max(look["heap_mb"], look["renderer_mb"]) for look in looks)
        if held >= LIMIT:
            return f"the tab held {held} MB (limit {LIMIT:.0f})"
        if len(looks) > 1 and looks[-1]["refreshes"] <= looks[0]["refreshes"]:
            return "the tab no longer refreshes itself"
        return None


@contextmanager
def opened(settings: Settings, reader_url: str, folder: Path) -> Iterator[OpenTab]:
    """Open it, and close it at the end. Raises DashboardError."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    variables = {
        **os.environ, **settings.environment(),
        "HOOKLINE_READER_URL": reader_url, "PYTHONPATH": str(ROOT),
    }  # fmt: skip

    def child(name: str, *arguments: str) -> Child:
        return Child(
            name, [sys.executable, *arguments], folder / f"{name}.log",
            environment=variables, directory=folder,
        )  # fmt: skip

    found = OpenTab(
        child("dashboard", "-m", "hookline", "dashboard", "--port", str(port)),
        child("tab", "-m", "tests.browser.open_tab", url),
    )
    try:
        found.dashboard.start()
        if not wait_until(lambda: _answers(url), _START):
            raise DashboardError(f"the dashboard does not answer:\n{tail(found.dashboard.log)}")
        found.tab.start()
        yield found
    finally:
        found.tab.stop()
        found.dashboard.stop()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/now", timeout=30, trust_env=False).is_success
    except httpx.HTTPError:
        return False
