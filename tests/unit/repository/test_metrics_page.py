"""docs/metrics.md lists every family of every stage, and no page names another."""

import re

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


def test_other_pages_name_only_families_that_exist() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for name in re.findall(r"`(hookline_[a-z_]+)[`{ ]", page.read_text()):
            if name.endswith(("_total", "_ratio", "_seconds", "_bytes", "_broken", "_stopped")):
                assert name in NAMES, f"{page.name}: {name}"
