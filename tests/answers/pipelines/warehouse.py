"""The two answers in SQL: dbt models and a streaming view, run by DuckDB in its own environment."""

import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests import ROOT
from tests.answers.answer import Answer, Shop, from_json, write_shops
from tests.answers.deliveries import Delivery, write

PYTHON = ROOT / ".venv-truth" / "bin" / "python"
PROGRAM = Path(__file__).parent / "in_duckdb.py"
DBT, STREAMING = "dbt.sql", "streaming.sql"


def answer(
    model: str, deliveries: Iterable[Delivery], shops: Mapping[str, Shop], as_of: int
) -> Answer:
    """Return what a model's views hold. Raises CalledProcessError; its error is on stderr."""
    with tempfile.TemporaryDirectory(prefix="hookline-truth-") as folder:
        loaded, settings = Path(folder) / "deliveries.jsonl", Path(folder) / "shops.jsonl"
        write(loaded, deliveries)
        write_shops(settings, shops)
        program: list[str | Path] = [PYTHON, "-I", PROGRAM, loaded, settings, str(as_of), model]
        return from_json(subprocess.run(program, check=True, stdout=subprocess.PIPE).stdout)


def version() -> str:
    """Return DuckDB's version."""
    show: list[str | Path] = [PYTHON, "-I", "-c", "import duckdb; print(duckdb.__version__)"]
    return subprocess.run(show, check=True, capture_output=True, text=True).stdout.strip()
