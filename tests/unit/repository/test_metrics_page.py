"""docs/metrics.md lists every family of every stage, and its alerts read families that exist."""

import re

import pytest

from runtime import metrics_page as pages
from tests import ROOT, metrics_page

NAMES = {family.name for family in pages.families()} | {
    f"{family.name}_total" for family in pages.families() if family.type == "counter"
}


def test_the_page_is_what_the_code_has() -> None:
    """`python -m tests.metrics_page` writes it."""
    assert metrics_page.page() == metrics_page.PAGE.read_text()


def test_a_family_that_is_missing_from_the_page_is_noticed() -> None:
    rows = [line for line in metrics_page.lines() if line.startswith("| `hookline_")]
    listed = {line.split("`")[1] for line in rows}
    counted = {family.name for family in pages.families() if family.name.startswith("hookline_")}
    assert {name.removesuffix("_total") for name in listed} >= counted


@pytest.mark.parametrize("alert", metrics_page.ALERTS, ids=lambda alert: alert.expression[:40])
def test_an_alert_reads_families_and_labels_that_exist(alert: metrics_page.Alert) -> None:
    read = metrics_page.names_in(alert.expression)
    assert read
    assert read <= NAMES
    labels = {label for name in read for label in labels_of(name)} | {"le"}
    grouped = re.findall(r"by \(([a-z, ]+)\)", alert.expression)
    matched = re.findall(r"(\w+)=\"", alert.expression)
    assert {label for group in grouped for label in group.split(", ")} | set(matched) <= labels
    assert re.fullmatch(r"\d+m", alert.lasting)


def labels_of(name: str) -> list[str]:
    [row] = [line for line in metrics_page.lines() if line.startswith(f"| `{name}` |")]
    return re.findall(r"`(\w+)`", row.split(" | ")[2])


def test_other_pages_name_only_families_that_exist() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for name in re.findall(r"`(hookline_[a-z_]+)[`{ ]", page.read_text()):
            if name.endswith(("_total", "_ratio", "_seconds", "_bytes", "_broken", "_stopped")):
                assert name in NAMES, f"{page.name}: {name}"
