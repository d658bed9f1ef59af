"""The boards are those of one list, read what exists, and lie on a grid without overlaps."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runtime import metrics_page
from tests import named_commands
from tests.boards import analyst, operator
from tests.boards.board import COLUMNS, FOLDER, Board, document, text
from tests.boards.boards import BOARDS
from tests.unit.repository.test_alerts import FAMILIES, OF_SCRAPES, TYPES, promtool, read

OF_PROCESSES = {"process_resident_memory_bytes"}
EXPRESSIONS = [query.text for panel in operator.BOARD.panels for query in panel.queries]


def by_name(board: Board) -> str:
    return board.name


def panels(board: Board) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(board)["panels"]
    return found


@pytest.mark.parametrize("board", BOARDS, ids=by_name)
def test_a_file_is_what_its_list_gives(board: Board) -> None:
    """`python -m tests.boards` writes them."""
    assert (FOLDER / f"{board.name}.json").read_text() == text(board)
    assert json.loads(text(board)) == document(board)


def test_there_is_no_other_file() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{each.name}.json" for each in BOARDS}
    assert len({document(each)["uid"] for each in BOARDS}) == len(BOARDS)


@pytest.mark.parametrize("board", BOARDS, ids=by_name)
def test_panels_have_their_own_id_and_place(board: Board) -> None:
    ids = [panel["id"] for panel in panels(board)]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in panels(board):
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= COLUMNS
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("board", BOARDS, ids=by_name)
def test_a_panel_has_a_title_of_its_own_a_sentence_and_queries(board: Board) -> None:
    titles = [panel.title for panel in board.panels]
    assert len(titles) == len(set(titles))
    for panel in board.panels:
        assert bool(panel.queries) is (panel.kind != "row")
        assert panel.kind == "row" or re.search(r"\.$", panel.about), panel.title
        for target in document_panel(board, panel.title).get("targets", []):
            assert target["datasource"]["uid"] == "${source}"
    assert named_commands.missing(" ".join(panel.about for panel in board.panels)) == []


def document_panel(board: Board, title: str) -> dict[str, Any]:
    [found] = [panel for panel in panels(board) if panel["title"] == title]
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_reads_series_that_exist_by_labels_that_they_have(expression: str) -> None:
    if any(name in expression for name in OF_PROCESSES):
        assert OF_PROCESSES <= {family.name for family in metrics_page.families()}
        return
    assert read(expression)
    for series, family in read(expression).items():
        assert family in FAMILIES, series
        assert series.endswith("_total") is (TYPES[family] == "counter")
        assert (series != family) is (TYPES[family] in ("counter", "histogram"))
    having = {label for family in read(expression).values() for label in FAMILIES[family]}
    groups = re.findall(r"by \(([a-z, ]+)\)", expression)
    assert {label for group in groups for label in group.split(", ")} <= having | OF_SCRAPES


def test_every_family_of_ours_is_on_the_operators_board() -> None:
    shown = {family for each in EXPRESSIONS for family in read(each).values()}
    assert shown == FAMILIES.keys()


def test_legends_name_labels_that_the_query_keeps() -> None:
    for panel in operator.BOARD.panels:
        for query in panel.queries:
            for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
                assert re.search(rf"by \([a-z, ]*\b{label}\b", query.text), query.text


def test_promtool_parses_every_expression(tmp_path: Path) -> None:
    rules = [
        {"record": f"board:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(EXPRESSIONS)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "boards", "rules": rules}]}))  # which is YAML
    checked = subprocess.run(
        [promtool(), "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert f"{len(EXPRESSIONS)} rules found" in checked.stdout


def test_no_query_of_the_analyst_names_contact_data_or_adds_currencies_up() -> None:
    for panel in analyst.BOARD.panels:
        for query in panel.queries:
            assert not re.search(r"customer_contacts|e_?mail|phone|customer_key", query.text)
            if re.search(r"\b(net|value|discounts|refunded|gross)\b", query.text):
                assert "${currency:sqlstring}" in query.text, panel.title
