"""What ``hookline simulate`` shows: a board while it sends, then its summary."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.table import Table

from hookline.console import output
from runtime.escaping import terminal_text

if TYPE_CHECKING:
    from hookline.simulate.run import Run
    from hookline.simulate.truth.comparison import Difference
    from hookline.simulate.truth.verify import Verification

_RATE_OVER = 5.0
_FIRST_DIFFERENCES = 20
_FIRST_UNDECIDED = 5
_DIFFERENCE = ("table", "row", "field", "expected", "there_is")


@contextmanager
def board(*, shown: bool) -> Iterator[Callable[["Run"], object] | None]:
    """Show a board on stderr while the block runs; gives what draws it, None if it is hidden."""
    if not (shown and output.err.is_terminal):
        yield None
        return
    newest: deque[tuple[float, int]] = deque()
    with Live(console=output.err, auto_refresh=False, transient=True) as live:

        def draw(run: "Run") -> None:
            tally = run.tally
            newest.append((tally.seconds, tally.delivered))
            while newest[-1][0] - newest[0][0] > _RATE_OVER:
                newest.popleft()
            (before, less), (now, more) = newest[0], newest[-1]
            rate = (more - less) / (now - before) if now > before else 0.0
            live.update(_table(board_cells(run, rate)), refresh=True)

        yield draw


def board_cells(run: "Run", rate: float) -> dict[str, str]:
    """Return the cells of the board by name; ``rate``: accepted a second, of late."""
    tally = run.tally
    return {
        "sent": f"{tally.planned:,}",
        "accepted": f"{tally.accepted:,}",
        "repeated": f"{tally.repeated:,}",
        "malformed": f"{tally.malformed:,}",
        "refused": f"{tally.refused:,}",
        "retried": f"{tally.retried:,}",
        "waiting": f"{tally.waiting:,}",
        "a second": f"{rate:,.0f}",
        "p50": _milliseconds(tally.quantile(0.5)),
        "p99": _milliseconds(tally.quantile(0.99)),
        "behind": f"{tally.lag:.1f} s",
        "left": f"{run.left:.0f} s",
    }


def show_summary(run: "Run", found: "Verification | None" = None, *, as_json: bool) -> None:
    """Print the figures of a run and, where the tables were compared, what was found."""
    figures = run.as_dict()
    if as_json:
        if found is not None:
            figures["verified"] = _as_dict(found)
        output.print_json(figures)
        return
    for line in summary_lines(run):
        output.print_line(line)
    if found is not None:
        _show_found(found)


def summary_lines(run: "Run") -> list[str]:
    """Return what was sent and what became of it, a sentence a line."""
    tally, figures = run.tally, run.as_dict()
    shops = f"{len(run.shops)} shops"
    lines = [f"seed {figures['seed']}: {run.schedule.reported:,} facts of {shops}"]
    if tally.planned:
        p50, p99 = (_milliseconds(tally.quantile(share)) for share in (0.5, 0.99))
        first = f"seed {figures['seed']}: {tally.planned:,} deliveries of {shops}"
        counts = f"accepted {tally.accepted:,} facts, {tally.repeated:,} repeats"
        answers = f"answers: half within {p50}, 99% within {p99}"
        lines = [
            f"{first} in {tally.seconds:.0f} s, {figures['a_second']:,.0f} a second",
            f"{counts}, {tally.malformed:,} broken copies; {tally.retried:,} retries",
            f"{answers}; at most {tally.most_lag:.1f} s behind",
            f"a delivery took {figures['cpu_us']} µs of this process's CPU, all included",
        ]
    if run.withheld:
        lines.append(f"withheld {run.withheld:,} facts: no platform will ever send them")
    if tally.refused:
        lines.append(f"refused {tally.refused:,}, the first:")
        lines += [f"  {each}" for each in tally.refusals[:5]]
    if run.unsettled:
        lines.append(
            f"{run.unsettled:,} facts were sent and never answered with 200: whether they are"
            " stored is unknown"
        )
    return lines


def _show_found(found: "Verification") -> None:
    """Print rows compared by table, and the first differences by row and field."""
    rows = [[table, count] for table, count in found.tables.items()]
    output.out.print(output.table("compared with the truth", ["table", "rows"], rows))
    if found.undecided:
        output.print_line(
            f"{len(found.undecided):,} not compared, since times are known within bounds only:"
        )
        for key, why in [*found.undecided.items()][:_FIRST_UNDECIDED]:
            output.print_line(f"  {key}: {why}")
    if not found.differences:
        output.print_line(f"{found.rows:,} rows are as the truth has them", "green")
        return
    shown = [_cells(each) for each in found.differences[:_FIRST_DIFFERENCES]]
    output.out.print(output.table("differences", _DIFFERENCE, shown))
    if more := len(found.differences) - len(shown):
        output.print_line(f"and {more:,} more")


def _cells(difference: "Difference") -> list[str]:
    """Return table, row, field, what is expected and what is there, as texts."""
    row = " ".join(map(str, difference.key))
    if difference.column:
        values = [_text(difference.expected), _text(difference.actual)]
        return [difference.table, row, difference.column, *values]
    values = ["a row", "none"] if difference.kind == "missing" else ["none", "a row"]
    return [difference.table, row, "", *values]


def _text(value: Any) -> str:
    return "null" if value is None else str(value)


def _as_dict(found: "Verification") -> dict[str, Any]:
    differences = [
        dict(zip(_DIFFERENCE, _cells(each), strict=True))
        for each in found.differences[:_FIRST_DIFFERENCES]
    ]
    return {
        "rows": found.tables,
        "undecided": {str(key): why for key, why in found.undecided.items()},
        "differences": len(found.differences),
        "first": differences,
    }


def _table(cells: dict[str, str]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for _ in cells:
        grid.add_column(justify="right")
    grid.add_row(*cells, style="dim")
    grid.add_row(*(terminal_text(cell) for cell in cells.values()))
    return grid


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.1f} ms"
