"""Counts with their nouns, and no template that writes a plural past them."""

import re
from pathlib import Path

import pytest

from hookline.console.counts import counted
from hookline.dashboard import formats
from tests import ROOT

HTML = ROOT / "hookline" / "dashboard" / "html"
NOUNS = (
    "byte cart customer day deliver(?:y|ie) duplicate event group hour letter minute order"
    " partition record row second shop time worker"
).replace(" ", "|")
PAST = (
    # {{ n | number }} letters, {{ n }} letters
    re.compile(rf"\}}\}} (?:(?!of )[a-z]+ )?(?:{NOUNS})s\b"),
    # n ~ " letters": also without a filter
    re.compile(rf"(?<!counted)~ \" ?(?:open )?(?:{NOUNS})s\b"),
    # the two forms by a condition of its own
    re.compile(r"== 1 else \"[a-z]+s\""),
)


def test_one_has_the_singular_and_every_other_count_the_plural() -> None:
    assert [counted(each, "letter") for each in (0, 1, 2, 12_345)] == [
        "0 letters", "1 letter", "2 letters", "12,345 letters",
    ]  # fmt: skip
    assert counted(1, "delivery", "deliveries") == "1 delivery"
    assert counted(3, "delivery", "deliveries") == "3 deliveries"


def test_a_count_that_is_not_known_or_not_whole_has_the_plural() -> None:
    assert formats.count(None, "row") == f"{formats.NONE} rows"
    assert formats.count(1.5, "second") == "1.5 seconds"
    assert formats.count(1.0, "second") == "1 second"


@pytest.mark.parametrize("path", sorted(HTML.rglob("*.html")), ids=lambda each: each.name)
def test_no_template_writes_a_plural_after_a_count_by_itself(path: Path) -> None:
    text = path.read_text()
    assert [found[0] for pattern in PAST for found in pattern.finditer(text)] == []


def test_the_kind_of_plural_that_is_looked_for_is_found() -> None:
    for text in (
        "{{ page.total | number }} letters", "{{ n }} open letters", '(n | number) ~ " orders in "',
        '{{ n }} {{ "field" if n == 1 else "fields" }}',
    ):  # fmt: skip
        assert any(pattern.search(text) for pattern in PAST), text
