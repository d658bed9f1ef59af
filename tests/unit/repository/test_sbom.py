"""`make sbom` lists everything that Hookline is made of, the same each time."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hookline.local.servers import hashes
from tests import ROOT

PYTHON = ROOT / ".venv-sbom" / "bin" / "python"

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the maker of the SBOM is not installed: `make sbom` installs it"
)


def written(path: Path) -> bytes:
    subprocess.run([PYTHON, "-m", "tests.sbom", path], cwd=ROOT, check=True, capture_output=True)
    return path.read_bytes()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("sbom")
    first, second = written(folder / "a.json"), written(folder / "b.json")
    assert first == second
    return json.loads(first)


def test_it_is_cyclonedx_without_time_or_serial_number_or_a_path_of_this_machine(
    document: Any,
) -> None:
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert not {"serialNumber", "timestamp"} & (set(document) | set(document["metadata"]))
    assert str(ROOT) not in json.dumps(document)
    assert document["metadata"]["component"]["name"] == "hookline"


def test_it_lists_every_package_of_the_lock_with_its_hashes(document: Any) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    wanted = set(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", lock, re.MULTILINE))
    found = {
        (each["name"], each["version"]): each
        for each in document["components"]
        if each.get("purl", "").startswith("pkg:pypi/")
    }
    assert set(found) == wanted
    for each in found.values():
        assert any(reference.get("hashes") for reference in each["externalReferences"]), each


def test_it_lists_every_download_and_every_image(document: Any) -> None:
    known = {
        file["sha256"]
        for part in hashes.known().values()
        for name, file in part.items()
        if name != hashes.FOLDER
    }
    found = {
        each["hashes"][0]["content"]
        for each in document["components"]
        if each.get("purl", "").startswith("pkg:maven/")
    }
    assert found == known
    vendored = {
        (each["purl"], each["hashes"][0]["content"])
        for each in document["components"]
        if each.get("purl", "").startswith("pkg:npm/")
    }
    listed = json.loads((ROOT / "hookline/dashboard/vendored/vendored.json").read_text())
    assert vendored == {
        (f"pkg:{each['package'].replace(':', '/')}@{each['version']}", each["sha256"])
        for each in listed.values()
    }
    images = {each["name"] for each in document["components"] if each["type"] == "container"}
    assert images == {
        "apache/kafka", "apicurio/apicurio-registry", "grafana/grafana", "postgres",
        "prom/prometheus", "python",
    }  # fmt: skip
