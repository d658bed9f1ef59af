"""docs/tutorial.md prints what it shows: all its commands, in order, on a stack of their own."""

from pathlib import Path

import pytest

from tests import tutorial

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_every_command_of_the_tutorial_prints_what_the_page_shows(tmp_path: Path) -> None:
    differences = [result.difference for result in tutorial.run(tmp_path)]
    assert [each for each in differences if each] == []
