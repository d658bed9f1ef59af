"""The CDNOW sample: 2,357 customers of 1997, known from the papers on which predictions rest.

It is in the wheel of ``lifetimes`` 0.11.3, fetched through pip once and kept in the cache; no
copy of it stands here, and nothing of the package is installed.
"""

import csv
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest

from hookline.local.servers.fetch import cache_dir

PACKAGE = "lifetimes==0.11.3"
CALIBRATION_ENDS = date(1997, 9, 30)
_SAMPLE = "lifetimes/datasets/CDNOW_sample.txt"
_PUBLISHED = "lifetimes/datasets/cdnow_customers_summary_with_transactions.csv"


@dataclass(frozen=True)
class Purchase:
    """One transaction. ``customer`` counts the sample's customers from 1."""

    customer: int
    day: date
    value: Decimal


@dataclass(frozen=True)
class Summary:
    """A published row: repeat purchases, weeks, mean value of the repeat purchases."""

    customer: int
    x: int
    recency: Decimal
    age: Decimal
    value: Decimal


def purchases() -> list[Purchase]:
    """All transactions, 1997-01-01 to 1998-06-30."""
    found = []
    for line in _file(_SAMPLE).splitlines():
        _, customer, day, _, value = line.split()
        read = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        found.append(Purchase(int(customer), read, Decimal(value)))
    return found


def published() -> list[Summary]:
    """The summary of the calibration period as published with the papers."""
    rows: Iterator[dict[str, str]] = csv.DictReader(StringIO(_file(_PUBLISHED)))
    return [
        Summary(
            int(row["ID"]),
            int(row["x"]),
            Decimal(row["t_x"]),
            Decimal(row["T"]),
            Decimal(row["zbar"]),
        )
        for row in rows
    ]


def _file(name: str) -> str:
    with zipfile.ZipFile(_wheel()) as wheel:
        return wheel.read(name).decode()


def _wheel() -> Path:
    folder = cache_dir() / "test-data"
    if found := [*folder.glob("*.whl")]:
        return found[0]
    folder.mkdir(parents=True, exist_ok=True)
    command = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
    with tempfile.TemporaryDirectory(dir=folder) as fresh:  # whole or not at all
        told = subprocess.run(
            [*command, "--only-binary", ":all:", "--dest", fresh, PACKAGE],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if told.returncode:
            last = told.stderr.strip().splitlines()[-1:]
            pytest.skip(f"{PACKAGE} cannot be fetched for its data: {' '.join(last)}")
        (wheel,) = Path(fresh).glob("*.whl")
        return wheel.replace(folder / wheel.name)
