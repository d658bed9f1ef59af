"""The boards."""

from tests.boards import analyst, operator

BOARDS = (operator.BOARD, analyst.BOARD)
