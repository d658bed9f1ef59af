"""No package is of a version with a known hole; the list says which, and who says so.

Neither those that are locked, nor those that ``pyproject.toml`` would allow, nor the files that
``hookline up`` downloads.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from hookline.local.servers import hashes
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
    Hole("numpy", "<1.22", "a buffer overflows in an array's copy", "CVE-2021-41496"),
    Hole("scipy", "<1.10.0", "memory is used after it was freed", "CVE-2023-29824"),
    Hole("pyarrow", ">=0.14,<14.0.1", "reading a file runs code", "CVE-2023-47248"),
    Hole("pillow", "<10.3.0", "a buffer overflows", "CVE-2024-28219"),
    Hole("pillow", ">=11.2.0,<11.3.0", "a buffer overflows", "CVE-2025-48379"),
    Hole("fonttools", ">=4.33.0,<4.60.2", "a design file writes anywhere", "CVE-2025-66034"),
    Hole("mako", "<1.2.2", "an expression in quadratic time", "CVE-2022-40023"),
    Hole("gitpython", "<3.1.41", "git of the current folder is run", "CVE-2024-22190"),
    Hole("setuptools", "<78.1.1", "packages are written anywhere", "CVE-2025-47273"),
    Hole("zipp", "<3.19.1", "a file that never ends", "CVE-2024-5569"),
    Hole("deepdiff", "<8.6.1", "classes are changed from outside", "CVE-2025-58367"),
    Hole("lxml", "<4.9.1", "a null pointer by a document", "CVE-2022-2309"),
)
OF_DOWNLOADS = (
    Hole("kafka-clients", "<3.9.1", "files are read by a client's settings", "CVE-2025-27817"),
    Hole("log4j-core", "<2.25.3", "the host of TLS is not checked", "CVE-2025-68161"),
    Hole("jackson-core", "<2.15.0", "deep nesting overflows the stack", "CVE-2025-52999"),
    Hole("snakeyaml", "<2.0", "a document runs code", "CVE-2022-1471"),
    Hole("lz4-java", "<1.10.1", "memory of others is given out", "CVE-2025-66566"),
    Hole("commons-beanutils", "<1.11.0", "a property reaches classes", "CVE-2025-48734"),
    Hole("commons-collections", "<3.2.2", "an object that is read runs code", "CVE-2015-7501"),
    Hole("jose4j", "<0.9.6", "compressed tokens without bound", "CVE-2024-29371"),
    Hole("snappy-java", "<1.1.10.4", "chunks without bound", "CVE-2023-43642"),
    Hole("scala-library", ">=2.13.0,<2.13.9", "an object that is read runs code", "CVE-2022-36944"),
)
"""Of jars: names are Maven's artifacts."""


def locked(lock: Path) -> dict[str, set[Version]]:
    """Every version that the lock may install, by package."""
    found: dict[str, set[Version]] = {}
    pattern = r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)"
    for name, version in re.findall(pattern, lock.read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(name), set()).add(Version(version))
    return found


def allowed() -> Iterator[Requirement]:
    """Every requirement of ours: of the package, its extras and the groups."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
        project["build-system"]["requires"],
    ]
    for each in (each for requirements in lists for each in requirements):
        if isinstance(each, str):  # else another group's name
            yield Requirement(each)


def lowest(requirement: Requirement, bad: SpecifierSet) -> Version | None:
    """A version that the requirement and ``bad`` both contain, if there is any.

    Both are ranges: if they meet, then at the lower end of one of them.
    """
    ends = {"0"} | {
        each.version
        for each in (*requirement.specifier, *bad)
        if each.operator in (">=", "==", "~=")
    }
    for version in sorted(map(Version, ends)):
        if requirement.specifier.contains(version) and bad.contains(version):
            return version
    return None


def holes_in(versions: dict[str, set[Version]], known: tuple[Hole, ...] = HOLES) -> list[str]:
    """What is wrong with these, in words."""
    return [
        f"{hole.package} {version}: {hole.what} ({hole.source})"
        for hole in known
        for version in versions.get(canonicalize_name(hole.package), ())
        if SpecifierSet(hole.bad, prereleases=True).contains(version)
    ]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_nothing_in_a_lock_has_a_known_hole(lock: Path) -> None:
    assert holes_in(locked(lock)) == []


@pytest.mark.parametrize("requirement", list(allowed()), ids=str)
def test_no_version_with_a_known_hole_is_allowed(requirement: Requirement) -> None:
    for hole in HOLES:
        if canonicalize_name(hole.package) == canonicalize_name(requirement.name):
            found = lowest(requirement, SpecifierSet(hole.bad))
            assert found is None, f"{requirement} allows {found}: {hole.what} ({hole.source})"


@pytest.mark.parametrize(
    ("requirement", "bad", "expected"),
    [
        ("h11>=0.14", "<0.16.0", "0.14"),
        ("h11>=0.16", "<0.16.0", None),
        ("h11", "<0.16.0", "0"),
        ("pillow>=11", ">=11.2.0,<11.3.0", "11.2.0"),
        ("pillow>=11,<11.2", ">=11.2.0,<11.3.0", None),
        ("pillow>=11.3", ">=11.2.0,<11.3.0", None),
        ("uvicorn==0.11.6", "<0.11.7", "0.11.6"),
    ],
)
def test_what_a_requirement_allows_is_found(
    requirement: str, bad: str, expected: str | None
) -> None:
    found = lowest(Requirement(requirement), SpecifierSet(bad))
    assert found == (None if expected is None else Version(expected))


def test_nothing_that_is_downloaded_has_a_known_hole() -> None:
    versions: dict[str, set[Version]] = {}
    for part in hashes.known().values():
        for file in (each for each in part.values() if "maven" in each):
            _, artifact, version = file["maven"].split(":")
            numbers = re.match(r"\d+(\.\d+)*", version)
            assert numbers is not None, version
            versions.setdefault(artifact, set()).add(Version(numbers[0]))

    assert holes_in(versions, OF_DOWNLOADS) == []
    assert {hole.package for hole in OF_DOWNLOADS} <= set(versions)
    assert holes_in({"snakeyaml": {Version("1.33")}}, OF_DOWNLOADS) != []


def test_the_packages_of_a_lock_are_read() -> None:
    found = {path.name: set(locked(path)) for path in LOCKS}
    ours = {"starlette", "h11", "uvicorn", "msgspec", "defusedxml"}
    assert ours <= found["requirements.lock"]
    assert ours | {"quixstreams"} <= found["requirements-bench.lock"]
    assert {"dbt-core", "jinja2", "mashumaro"} <= found["requirements-dbt.lock"]
    assert found["requirements-truth.lock"] == {"duckdb"}


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
