"""Rewrites ``docs/boards``: ``python -m tests.boards``."""

from tests.boards.board import FOLDER, text
from tests.boards.boards import BOARDS


def main() -> None:
    """Write each board."""
    FOLDER.mkdir(exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.name}.json").write_text(text(board))


if __name__ == "__main__":
    main()
