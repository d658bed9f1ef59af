"""What is downloaded is used only if it has the hashes of the repository."""

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.local.doctor import machine
from hookline.local.servers import fetch, hashes
from hookline.local.servers.fetch import FileProgress, Part
from hookline.local.servers.server import LocalError

JAR, CHANGED = b"a jar", b"a jar and something more"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and hashes of one part with a jar and one with an archive."""
    known = {
        "broker-1": {"a.jar": {"sha256": digest(JAR)}, "b.jar": {"sha256": digest(JAR)}},
        "registry-1": {"all.tar.gz": {"sha256": "0" * 64}},
    }
    file = tmp_path / "downloads.json"
    file.write_text(json.dumps(known))
    monkeypatch.setattr(hashes, "FILE", file)
    monkeypatch.setenv("HOOKLINE_CACHE", str(tmp_path / "cache"))
    hashes.known.cache_clear()
    fetch._require_known.cache_clear()
    yield tmp_path / "cache"
    hashes.known.cache_clear()
    fetch._require_known.cache_clear()


def part(**files: bytes) -> Part:
    """A part whose download brings these jars."""

    def download(target: Path, _scratch: Path, _progress: FileProgress) -> None:
        for name, content in files.items():
            (target / f"{name}.jar").write_bytes(content)

    return Part("broker-1", "Broker 1", download)


def test_a_download_with_the_known_hashes_is_kept_and_used(cache: Path) -> None:
    assert fetch.ensure(part(a=JAR, b=JAR)) == cache / "broker-1"
    assert (cache / "broker-1" / "a.jar").read_bytes() == JAR


def test_a_cache_can_be_shared_whatever_the_umask_of_who_fills_it() -> None:
    before = os.umask(0o077)
    try:
        found = fetch.ensure(part(a=JAR, b=JAR))
    finally:
        os.umask(before)
    assert (found.stat().st_mode & 0o777, (found / "a.jar").stat().st_mode & 0o777) == (
        0o755, 0o644,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"a": JAR, "b": CHANGED}, f"b.jar has the hash {digest(CHANGED)}, not {digest(JAR)}"),
        ({"a": JAR, "b": JAR, "c": JAR}, "c.jar is not a file of broker-1"),
        ({"a": JAR}, "b.jar is missing"),
    ],
)
def test_another_download_is_refused_and_nothing_of_it_is_kept(
    cache: Path, files: dict[str, bytes], why: str
) -> None:
    with pytest.raises(LocalError, match=re.escape(f"the download of Broker 1 is refused: {why}")):
        fetch.ensure(part(**files))
    assert [path.name for path in cache.iterdir()] == ["lock"]


def test_a_cache_that_somebody_changed_is_not_used(cache: Path) -> None:
    fetch.ensure(part(a=JAR, b=JAR))
    (cache / "broker-1" / "b.jar").write_bytes(CHANGED)
    fetch._require_known.cache_clear()  # as in the next process
    with pytest.raises(LocalError, match=r"not what this version .* b\.jar has the hash"):
        fetch.ensure(part(a=JAR, b=JAR))


def test_doctor_finds_a_cache_that_somebody_changed(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fetch.ensure(part(a=JAR, b=JAR))
    monkeypatch.setattr(fetch, "PARTS", (part(),))
    shops = tmp_path / "shops.toml"
    shops.write_text("")
    levels = {each.subject: each.level for each in machine.machine(cache, shops)}
    assert levels["cache"] == "ok"
    (found / "more.jar").write_bytes(CHANGED)
    findings = {each.subject: each for each in machine.machine(cache, shops)}
    assert findings["cache"].level == "wrong"
    assert "more.jar is not a file of broker-1" in findings["cache"].message


def test_an_archive_is_compared_before_anything_is_taken_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "all.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(__file__, "evil.jar")

    class Artifacts:
        """Stands where Maven's coordinates lead to the archive."""

        def project(self, *_: str) -> "Artifacts":
            return self

        def at_version(self, _: str) -> "Artifacts":
            return self

        def artifact(self, **_: str) -> "Artifacts":
            return self

        def resolve(self) -> Path:
            return archive

    monkeypatch.setattr(fetch, "_maven", lambda *_: Artifacts())
    monkeypatch.setattr(fetch, "REGISTRY", Part("registry-1", "Registry 1", fetch._fetch_registry))
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(LocalError, match=r"Registry 1 is refused: all\.tar\.gz has the hash"):
        fetch._fetch_registry(target, tmp_path, lambda *_: None)  # type: ignore[arg-type,return-value]
    assert list(target.iterdir()) == []
