"""No locked package is of a version with a known hole; the list says which, and who says so."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests import ROOT

LOCKS = sorted(ROOT.glob("requirements*.lock"))


@dataclass(frozen=True, slots=True)
class Hole:
    """Versions of a package that must not be locked; ``bad`` "" means none at all."""

    package: str
    bad: str
    what: str
    source: str


HOLES = (
    Hole("starlette", "<1.3.1", "limits of forms are not heeded", "CVE-2026-54283"),
    Hole("h11", "<0.16.0", "lenient ends of chunks: request smuggling", "CVE-2025-43859"),
    Hole("orjson", "<3.11.6", "deep nesting overflows the stack", "CVE-2025-67221"),
    Hole("python-multipart", "", "forms are no webhooks: wanted in no version", "docs/security.md"),
    Hole("uvicorn", "<0.11.7", "headers can be injected into answers", "CVE-2020-7695"),
    Hole("httpx", "<0.23.0", "URLs are not validated", "CVE-2021-41945"),
    Hole("aiohttp", "<3.13.3", "compressed bodies without bound", "CVE-2025-69223"),
    Hole("urllib3", "<2.6.0", "chains of compression without bound", "CVE-2025-66418"),
    Hole("requests", "<2.32.4", "credentials of .netrc go to another host", "CVE-2024-47081"),
    Hole("idna", "<3.7", "encoding in quadratic time", "CVE-2024-3651"),
    Hole("certifi", ">=2021.5.30,<2024.7.4", "roots that were distrusted", "CVE-2024-39689"),
    Hole("cryptography", ">=42.0.0,<44.0.1", "the OpenSSL in its wheels", "CVE-2024-12797"),
    Hole("authlib", "<1.6.5", "tokens of any size are decoded", "CVE-2025-61920"),
    Hole("pygments", "<2.15.1", "expressions in exponential time", "CVE-2022-40896"),
    Hole("pyyaml", "<5.4", "full_load runs code", "CVE-2020-14343"),
    Hole("jinja2", "<3.1.6", "templates leave the sandbox", "CVE-2025-27516"),
    Hole("sqlparse", "<0.5.0", "nested statements without bound", "CVE-2024-4340"),
    Hole("protobuf", ">=6.30.0,<6.31.1", "nested messages without bound", "CVE-2025-4565"),
    Hole("psutil", "<5.6.6", "memory is freed twice", "CVE-2019-18874"),
)


def locked(lock: Path) -> dict[str, set[Version]]:
    """Every version that the lock may install, by package."""
    found: dict[str, set[Version]] = {}
    pattern = r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)"
    for name, version in re.findall(pattern, lock.read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(name), set()).add(Version(version))
    return found


def holes_in(versions: dict[str, set[Version]]) -> list[str]:
    """What is wrong with these, in words."""
    return [
        f"{hole.package} {version}: {hole.what} ({hole.source})"
        for hole in HOLES
        for version in versions.get(canonicalize_name(hole.package), ())
        if SpecifierSet(hole.bad, prereleases=True).contains(version)
    ]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_nothing_in_a_lock_has_a_known_hole(lock: Path) -> None:
    assert holes_in(locked(lock)) == []


def test_the_packages_of_a_lock_are_read() -> None:
    found = {path.name: set(locked(path)) for path in LOCKS}
    ours = {"starlette", "h11", "uvicorn", "msgspec", "defusedxml"}
    assert ours <= found["requirements.lock"]
    assert ours | {"quixstreams"} <= found["requirements-bench.lock"]
    assert {"dbt-core", "jinja2", "mashumaro"} <= found["requirements-dbt.lock"]


@pytest.mark.parametrize(
    ("package", "version"),
    [("starlette", "1.3.0"), ("h11", "0.15.0"), ("orjson", "3.11.5"), ("python-multipart", "9.9")],
)
def test_a_version_with_a_hole_is_found(package: str, version: str) -> None:
    (line,) = holes_in({package: {Version(version)}})
    assert line.startswith(f"{package} {version}: ")


@pytest.mark.parametrize(
    ("package", "version"), [("starlette", "1.3.1"), ("h11", "0.16.0"), ("orjson", "3.11.6")]
)
def test_the_floors_themselves_are_taken(package: str, version: str) -> None:
    assert holes_in({package: {Version(version)}}) == []
