"""A next version of Hookline, made from this one: its orders have a nullable field more."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from runtime.settings import Settings
from schemas import codec

ROOT = Path(__file__).parents[1]
PACKAGES = ("hookline", "ingest", "processors", "runtime", "schemas", "sinks")
FIELD = {"name": "loyalty_points", "type": ["null", "long"], "doc": "New.", "default": None}


def next_version(folder: Path) -> Path:
    """A copy of this repository's packages whose orders have a field more, always filled in."""
    for package in PACKAGES:
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=unwanted)
    avro = folder / "schemas" / "avro"
    own = json.loads((avro / "orders.avsc").read_text())
    own["fields"].append(FIELD)
    (avro / "orders.avsc").write_text(json.dumps(own))
    whole = codec.schema("orders")
    history = avro / "history" / "orders"
    number = 1 + len(list(history.glob("*.avsc")))
    newer = {**whole, "fields": [*whole["fields"], FIELD]}
    (history / f"{number}.avsc").write_text(json.dumps(newer))
    events = folder / "schemas" / "events.py"
    text = events.read_text()
    order = text.index("class Order(")
    last = "    next_billing_at: Micros | None = None\n"
    at = text.index(last, order) + len(last)
    events.write_text(f"{text[:at]}    loyalty_points: int | None = 7\n{text[at:]}")
    return folder


def create_topics(settings: Settings, newer: dict[str, str]) -> None:
    """Register the newer schemas, as an upgrade does first."""
    subprocess.run(
        [sys.executable, "-P", "-m", "hookline", "topics", "create"],
        env={**os.environ, **settings.environment(), **newer},
        check=True,
        timeout=120,
    )
