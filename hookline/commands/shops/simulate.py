"""``hookline simulate``: shops of all platforms with a known truth, and how the tables hold it."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from hookline.commands.options import DataOption, JsonOption
from hookline.commands.shops import simulate_screens as screens
from hookline.console import hints, output
from hookline.console.errors import CommandError
from hookline.stack_address import StackAddress, find_stack
from schemas.shops import seconds

if TYPE_CHECKING:
    from hookline.simulate.run import Plan, Run
    from hookline.simulate.sending.faults import Faults

_AS_FAST = 10_000
"""Deliveries a second that ``--rate 0`` makes a world for."""


def simulate(
    rate: Annotated[
        float, typer.Option(min=0.0, help="Deliveries a second; 0: as fast as they are answered.")
    ] = 50.0,
    length: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long it sends: 90s, 10m.")
    ] = "1m",
    shops: Annotated[int, typer.Option(min=1, help="Shops of each platform.")] = 2,
    customers: Annotated[
        int | None, typer.Option(min=1, help="Customers. [default: as many as the rate needs]")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Days of history before the run.")] = 365,
    speed: Annotated[
        float | None,
        typer.Option(help="Seconds of history a second. [default: all of it within --for]"),
    ] = None,
    duplicates: Annotated[
        float, typer.Option(min=0, max=1, help="Share of deliveries that are sent twice.")
    ] = 0.05,
    reorder: Annotated[
        float, typer.Option(min=0, max=1, help="Share that others overtake.")
    ] = 0.05,
    late: Annotated[
        float, typer.Option(min=0, max=1, help="Share that comes up to half a minute late.")
    ] = 0.02,
    lost: Annotated[float, typer.Option(min=0, max=1, help="Share that is never sent.")] = 0.0,
    lost_answers: Annotated[
        float, typer.Option(min=0, max=1, help="Share whose connection is cut before the answer.")
    ] = 0.01,
    malformed: Annotated[
        float, typer.Option(min=0, max=1, help="Share of which a broken copy is sent too.")
    ] = 0.01,
    clock_skew: Annotated[
        str, typer.Option(metavar="TIME", help="How wrong the shops' clocks are at most.")
    ] = "0s",
    body_size: Annotated[
        int, typer.Option(min=0, metavar="BYTES", help="Fill bodies up to this size.")
    ] = 0,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Repeats a run's shops. [default: the time]")
    ] = None,
    url: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Base URL of an ingress, for several repeat it."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Then compare every row of the tables with the truth.")
    ] = False,
    null_server: Annotated[
        bool, typer.Option("--null-server", help="Send to a server that keeps nothing: a measure.")
    ] = False,
    journal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A line of JSON for each delivery.")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also write what the shops know, as their exports."),
    ] = None,
    send: Annotated[
        bool, typer.Option("--send/--no-send", help="Only write, with --write.")
    ] = True,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Simulate shops of all platforms: customers, carts, orders, refunds, as webhooks.

    Adds its shops to the running stack's shops file and sends their deliveries as the platforms
    do: signed, retried on 429, 503 and lost answers, some twice, late, out of order or broken.
    It knows what the tables must hold, by rules of its own. --verify waits until they are quiet
    and compares every row: it exits with 1 if any differs. docs/simulate.md explains each knob.

    Examples:
      hookline simulate
      hookline simulate --for 10m --rate 500 --verify
      hookline simulate --lost 0.01 --write exports    # then hookline reconcile
      hookline simulate --write exports --no-send --days 730 --customers 5000
      hookline simulate --rate 0 --null-server         # how fast this machine can send
    """
    if not send and write is None:
        raise CommandError("--no-send only writes: name a folder with --write")
    if verify and (null_server or not send or not rate):
        raise CommandError(
            "--verify needs a stack, and carts in real time: leave out --null-server, --no-send"
            " and --rate 0"
        )
    from hookline.simulate.sending.faults import Faults

    faults = Faults(
        duplicates=duplicates,
        reorder=reorder,
        late=late,
        lost=lost,
        lost_answers=lost_answers,
        malformed=malformed,
    )
    plan = _plan(
        faults,
        rate=rate,
        length=length,
        shops=shops,
        customers=customers,
        days=days,
        speed=speed,
        clock_skew=clock_skew,
        body_size=body_size,
        seed=seed,
    )
    stack = None if null_server or not send else find_stack(data)
    run = _run(plan, stack, url, journal, write, is_null=null_server, as_json=as_json)
    if run.is_interrupted or not verify or stack is None:
        screens.show_summary(run, as_json=as_json)
        if run.is_interrupted:
            raise typer.Exit(130)
        if stack is not None and not as_json:
            hints.show("simulate", data)
        raise typer.Exit(1 if run.tally.refused or run.unsettled else 0)
    _verify(run, stack, as_json=as_json)


def _plan(
    faults: "Faults",
    *,
    rate: float,
    length: str,
    shops: int,
    customers: int | None,
    days: int,
    speed: float | None,
    clock_skew: str,
    body_size: int,
    seed: int | None,
) -> "Plan":
    """The run that the options describe. Raises CommandError for one that cannot be."""
    from hookline.simulate.run import Plan, now_micros
    from hookline.simulate.world.knobs import Knobs

    seed = int(time.time()) if seed is None else seed
    length_s = seconds(length, "--for")
    try:
        knobs = Knobs(
            seed=seed,
            start=now_micros(),
            seconds=length_s,
            rate=rate or _AS_FAST,
            shops=shops,
            customers=customers,
            days=days,
            speed=speed,
            clock_skew=seconds(clock_skew, "--clock-skew"),
        )
    except ValueError as error:
        raise CommandError(f"--{error}") from error
    longest = min(faults.longest, knobs.length // 4)
    return Plan(
        knobs=knobs,
        faults=replace(faults, seed=seed, longest=longest),
        body_size=body_size,
        is_paced=rate > 0,
    )


def _run(
    plan: "Plan",
    stack: StackAddress | None,
    urls: Sequence[str] | None,
    journal: Path | None,
    write: Path | None,
    *,
    is_null: bool,
    as_json: bool,
) -> "Run":
    """Send, or only write; returns what was seen."""
    from hookline.simulate.run import Run, now_micros
    from hookline.simulate.sending import null_server
    from hookline.simulate.sending.bodies import BodyFiles

    with ExitStack() as stacked:
        bodies = None if write is None else stacked.enter_context(BodyFiles(write, plan.render))
        lines = None if journal is None else stacked.enter_context(_opened(journal))
        if is_null:
            other = stacked.enter_context(_on_one_cpu())
            urls = [stacked.enter_context(null_server.running(other))]
        elif stack is not None:
            urls = urls or [stack.ingress_url]
            _join(plan, stack, urls)
        plan = replace(plan, knobs=replace(plan.knobs, start=now_micros()))
        draw = stacked.enter_context(screens.board(shown=not as_json))
        run = Run(plan, lines=lines, bodies=bodies, draw=draw)
        if urls:
            run.send(urls)
        else:
            run.write()
    return run


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def _join(plan: "Plan", stack: StackAddress, urls: Sequence[str]) -> None:
    """Add the shops to the stack's file and wait until the ingresses know them."""
    from hookline.local.folder import EXAMPLE_SHOPS
    from hookline.simulate.sending import joining

    path = Path(stack.settings.shops_file)
    if path.name == EXAMPLE_SHOPS:
        raise CommandError(
            f"the running stack uses the example, {path}: copy it to shops.toml and start the"
            " stack with that"
        )
    joining.add(path, plan.shops, plan.knobs.seed)
    with output.progress_bar(shown=True) as progress:
        joining.wait_until_known(
            urls,
            joining.settings_of(plan.shops).values(),
            lambda activity: progress(activity, 0, 1),
        )


@contextmanager
def _on_one_cpu() -> Iterator[int | None]:
    """Keep to one CPU; gives another one for the null server, None where there is one only."""
    before = os.sched_getaffinity(0)
    own, *others = sorted(before)
    os.sched_setaffinity(0, {own})
    try:
        yield others[-1] if others else None
    finally:
        os.sched_setaffinity(0, before)


def _verify(run: "Run", stack: StackAddress, *, as_json: bool) -> None:
    """Compare the tables with the truth; exit with 1 if a row differs."""
    from hookline.simulate.truth import verify as truth
    from hookline.tables.queries import Reader

    received = list(run.received())
    with Reader(stack) as reader, output.progress_bar(shown=not as_json) as progress:
        longest = 0.0

        def waiting(left: float) -> None:
            nonlocal longest
            longest = max(longest, left)
            progress("until the tables are quiet, s", int(longest - left), int(longest))

        try:
            truth.wait_for_quiet(reader, received, waiting=waiting)
        except truth.NotQuietError as error:
            screens.show_summary(run, as_json=as_json)
            raise CommandError(str(error)) from error
        found = truth.verify(reader, received, run.prefix, progress=progress)
    screens.show_summary(run, found, as_json=as_json)
    is_sure = not run.unsettled and not run.tally.refused
    raise typer.Exit(0 if is_sure and not found.differences else 1)
