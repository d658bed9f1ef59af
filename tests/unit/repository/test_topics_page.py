"""docs/topics has a page for each topic, which says what the code declares and writes."""

import re

import pytest

from schemas import envelopes, topics
from schemas.topics import ALL, Topic
from tests import topics_page
from tests.topics_examples import outcomes, raw_record, record_of
from tests.topics_text import HEADERS, NO_HEADERS, OUTCOME_HEADERS

MADE = topics_page.pages()


def test_the_folder_holds_a_page_for_each_topic_and_no_other() -> None:
    assert {path.name for path in topics_page.FOLDER.iterdir()} == set(MADE)


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_page_is_what_its_generator_writes(name: str) -> None:
    """`python -m tests.topics_page` writes it."""
    assert (topics_page.FOLDER / name).read_text() == MADE[name]


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: topic.name)
def test_an_example_has_only_headers_that_its_page_explains(topic: Topic) -> None:
    explained = {} if topic.name in NO_HEADERS else HEADERS.get(topic.name, OUTCOME_HEADERS)
    assert set(record_of(topic)["headers"]) <= set(explained)


def test_headers_of_a_real_event_are_explained() -> None:
    made = outcomes([raw_record()])
    assert {outcome.topic for outcome in made} == {topics.ORDERS.name}
    for outcome in made:
        assert {name for name, _ in outcome.headers} <= set(OUTCOME_HEADERS)


def test_every_header_of_the_contract_is_explained_somewhere() -> None:
    declared = {
        value
        for value in vars(envelopes).values()
        if isinstance(value, str) and value.startswith("hookline-")
    }
    assert declared <= {name for headers in HEADERS.values() for name in headers}


def test_links_of_the_pages_lead_somewhere() -> None:
    for name, text in MADE.items():
        for target in re.findall(r"\]\((?!http)([^)#]*)(?:#[^)]*)?\)", text):
            assert (topics_page.FOLDER / (target or name)).exists(), f"{name}: {target}"
        anchors = re.findall(r"\]\(#([^)]+)\)", text)
        headings = {heading.lower() for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
        assert set(anchors) <= headings, name
