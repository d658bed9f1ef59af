"""The packages of docs/consumers are pinned, and no lock names the address of a registry.

``tests/integration/neighbours/test_consumers.py`` builds and runs the programs.
"""

import json
import re

from tests import ROOT

PROGRAMS = ROOT / "docs" / "consumers"
PAGE = (ROOT / "docs" / "consuming.md").read_text()


def test_the_page_names_every_program() -> None:
    for folder in PROGRAMS.iterdir():
        assert f"](consumers/{folder.name}/" in PAGE, folder.name


def test_python_has_the_versions_of_our_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    for line in (PROGRAMS / "python" / "requirements.txt").read_text().splitlines():
        assert f"\n{line} \\\n" in f"\n{lock}", line


def test_java_has_exact_versions() -> None:
    pom = (PROGRAMS / "java" / "pom.xml").read_text()
    versions = re.findall(r"<version>(.*?)</version>", pom)
    assert pom.count("<artifactId>") == len(versions)
    assert [each for each in versions if not re.fullmatch(r"[0-9.]+", each)] == []


def test_node_has_exact_versions_and_hashes_and_no_address() -> None:
    folder = PROGRAMS / "node"
    package, lock = (
        json.loads((folder / name).read_text()) for name in ("package.json", "package-lock.json")
    )
    locked = {path.rpartition("/")[2]: each for path, each in lock["packages"].items() if path}
    assert package["dependencies"] == {name: each["version"] for name, each in locked.items()}
    assert all(each["integrity"].startswith("sha512-") for each in locked.values())
    assert "://" not in (folder / "package-lock.json").read_text()


def test_go_has_a_hash_for_each_package() -> None:
    folder = PROGRAMS / "go"
    required = re.findall(r"^\t(\S+) (v\S+)", (folder / "go.mod").read_text(), re.MULTILINE)
    sums = (folder / "go.sum").read_text()
    assert len(required) > 2
    for name, version in required:
        assert f"{name} {version} h1:" in sums, name
