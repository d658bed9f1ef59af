"""What others have made is here as they released it, with licence and hash."""

import hashlib
import json
import re

from hookline.dashboard import app

FOLDER = app._HERE / "vendored"
LIST = json.loads((FOLDER / "vendored.json").read_text())
PAGES = app._HERE / "html"


def test_every_file_is_on_the_list_with_version_licence_and_its_hash() -> None:
    licences = {entry["licence_file"] for entry in LIST.values()}
    assert {path.name for path in FOLDER.iterdir()} == {*LIST, *licences, "vendored.json"}
    for name, entry in LIST.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == entry["sha256"]
        assert re.fullmatch(r"\d+\.\d+\.\d+", entry["version"])
        assert entry["package"]
        assert entry["licence"]


def test_every_file_names_its_version_itself() -> None:
    for name, entry in LIST.items():
        assert f'"{entry["version"]}"' in (FOLDER / name).read_text(), name


def test_pages_take_nothing_from_elsewhere_and_hold_no_script_and_no_style() -> None:
    for path in PAGES.rglob("*.html"):
        text = path.read_text()
        for source in re.findall(r'(?:src|href|action|hx-get)="([^"]*)"', text):
            assert source.startswith(("/", "#", "{{ path }}", "{{ action }}")), (path.name, source)
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", text)
        assert "|safe" not in text.replace(" ", "")
    style = (app._HERE / "static" / "style.css").read_text()
    assert "@import" not in style
    assert "url(" not in style
