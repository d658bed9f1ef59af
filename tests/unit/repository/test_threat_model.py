"""The threat model of docs/security.md: secrets, doors and commands are those of the code."""

import re
from dataclasses import fields

import pytest

from runtime import settings
from runtime.health import Health, routes
from runtime.settings import Settings
from tests import ROOT
from tests.named_commands import missing

PAGE = (ROOT / "docs" / "security.md").read_text()
POLICY = (ROOT / "SECURITY.md").read_text()
MODEL = PAGE[PAGE.index("## Threat model") : PAGE.index("## Protections")]
SECTIONS = dict(re.findall(r"^### ([^\n]+)\n(.*?)(?=^### |\Z)", MODEL, re.DOTALL | re.MULTILINE))
SECRET = re.compile(r"password|secret|contact_key|database_url")
KNOWN = {f"HOOKLINE_{each.name.upper()}" for each in fields(Settings)} | {*settings.OTHER_NAMES}


def test_the_model_has_its_parts() -> None:
    assert list(SECTIONS) == [
        "What is protected", "Who is trusted with what", "Doors", "Secrets", "Supply",
        "What remains",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [each.name for each in fields(Settings) if not each.repr or SECRET.search(each.name)]
    + [
        name.removeprefix("HOOKLINE_").lower()
        for name in sorted(KNOWN)
        if name.endswith("READER_URL")
    ],
)
def test_every_setting_that_is_a_secret_is_listed(name: str) -> None:
    assert f"`HOOKLINE_{name.upper()}`" in SECTIONS["Secrets"]


def test_a_setting_that_is_a_secret_is_in_no_representation() -> None:
    shown = [each.name for each in fields(Settings) if each.repr and SECRET.search(each.name)]
    assert shown == []


def test_every_setting_that_the_page_and_the_policy_name_exists() -> None:
    assert set(re.findall(r"HOOKLINE_[A-Z_]+", PAGE + POLICY)) <= KNOWN


def test_every_page_of_a_stage_is_a_door() -> None:
    for route in routes(Health()):
        assert f"`{route.path}`" in SECTIONS["Doors"]


def test_the_dashboard_is_a_door_that_listens_here_alone_without_a_login() -> None:
    assert re.search(
        r"`hookline dashboard` .*without a login it listens on 127\.0\.0\.1 only", SECTIONS["Doors"]
    )


def test_the_commands_and_targets_that_are_named_exist() -> None:
    assert missing(PAGE + POLICY) == []
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)`", PAGE + POLICY):
        assert f"\n{target}:" in makefile
    for module in re.findall(r"`python -m tests\.(\w+)", PAGE):
        assert list((ROOT / "tests").glob(f"{module}*"))


def test_the_policy_says_how_to_report_and_is_found() -> None:
    assert "Report it privately" in POLICY
    assert "(SECURITY.md)" in (ROOT / "README.md").read_text()
    assert "(../SECURITY.md)" in PAGE


@pytest.mark.parametrize("page", ["docs/security.md", "docs/privacy.md", "SECURITY.md"])
def test_the_links_of_the_pages_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", path.read_text()):
        assert (path.parent / target).exists(), target
    for target, anchor in re.findall(r"\]\(([\w./]*)#([\w-]+)\)", path.read_text()):
        text = (path.parent / target if target else path).read_text()
        titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in titles}
