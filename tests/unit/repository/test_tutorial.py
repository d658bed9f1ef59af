"""The tutorial's outputs are compared without what varies, and with everything else."""

import tempfile

from tests import ROOT, tutorial
from tests.tutorial import Result, Step, comparable, steps


def test_every_command_has_its_output_on_the_page() -> None:
    assert len(steps()) > 10
    assert [step.command for step in steps() if not step.shown.strip()] == []


def test_ids_times_addresses_and_sizes_are_not_compared() -> None:
    first = "200 delivery 01a22680-3745-78bb-b2fe-e6391b6e4c1b  (17 ms) at 127.0.0.1:8080"
    other = "200 delivery 01a22680-0000-78bb-b2fe-e6391b6e4c1b  (999 ms) at 127.0.0.1:91"
    assert comparable(first) == comparable(other)


def test_a_status_that_changed_is_a_difference() -> None:
    step = Step("hookline tables carts", "", "cart 1  ABANDONED\n")
    assert Result(step, "cart 1   ABANDONED\n").difference == ""
    assert "+ cart 1 RECOVERED" in Result(step, "cart 1  RECOVERED\n").difference


def test_the_page_shows_no_folder_of_a_machine() -> None:
    assert str(ROOT) not in tutorial.PAGE.read_text()
    assert tempfile.gettempdir() not in tutorial.PAGE.read_text()
