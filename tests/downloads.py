"""Downloads everything that ``hookline up`` needs afresh, and writes the hashes that it is held to.

    python -m tests.downloads          write hookline/local/servers/downloads.json
    python -m tests.downloads --check  only compare with it

Run it when a version in ``hookline/local/servers/fetch.py`` changes, on a connection that you
trust, and look at the difference before you commit it.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import truststore

from hookline.local.servers import fetch, hashes
from hookline.local.servers.fetch import Advance, Part


def main() -> None:
    """Print what differs; exit with 1 for a difference under --check."""
    found = {part.name: _files(part) for part in fetch.PARTS}
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    is_same = hashes.FILE.exists() and hashes.FILE.read_text() == text
    print("the downloads are as in the file" if is_same else "the downloads differ from the file")
    if "--check" in sys.argv:
        sys.exit(not is_same)
    hashes.FILE.write_text(text)


def _files(part: Part) -> dict[str, dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        target, scratch = Path(folder, "target"), Path(folder, "scratch")
        target.mkdir()
        scratch.mkdir()
        truststore.inject_into_ssl()
        hashes.problem_of_file = lambda _part, _path: None  # nothing is known of them yet
        part.fetch(target, scratch, _silent)
        truststore.extract_from_ssl()
        archives = list((scratch / "m2").rglob("*.tar.gz"))
        paths = archives or sorted(target.iterdir())
        files = {path.name: _described(path, scratch / "m2") for path in paths}
        if archives:
            files[hashes.FOLDER] = {"sha256": hashes.of_folder(target)}
        return files


def _described(path: Path, repository: Path) -> dict[str, str]:
    (stored,) = repository.rglob(path.name)
    *group, artifact, version, _ = stored.relative_to(repository).parts
    return {
        "sha256": hashes.of_file(path),
        "maven": f"{'.'.join(group)}:{artifact}:{version}",
    }


@contextmanager
def _silent(_name: str, _size: int) -> Iterator[Advance]:
    yield lambda _count: None


if __name__ == "__main__":
    main()
