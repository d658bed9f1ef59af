"""The checker of pages is here as its authors released it, with licence and hash."""

import hashlib
import json
from pathlib import Path

FOLDER = Path(__file__).with_name("vendored")


def test_axe_is_as_it_was_released_with_version_licence_and_hash() -> None:
    listed = json.loads((FOLDER / "vendored.json").read_text())
    licences = {entry["licence_file"] for entry in listed.values()}
    assert {path.name for path in FOLDER.iterdir()} == {*listed, *licences, "vendored.json"}
    for name, entry in listed.items():
        content = (FOLDER / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert f"v{entry['version']}".encode() in content[:100]
        assert entry["licence"] == "MPL-2.0"
