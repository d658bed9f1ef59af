"""``hookline capacity``: machines for a rate."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.console import output

if TYPE_CHECKING:
    from hookline.capacity.measurements import Figures
    from hookline.capacity.plan import Plan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(capacity)


def capacity(
    rate: Annotated[float, typer.Option(help="Deliveries a second, on average.")],
    peak: Annotated[float, typer.Option(help="The busiest seconds, times the average.")] = 3.0,
    events_per_delivery: Annotated[
        float | None,
        typer.Option(help="Canonical events of a delivery. [default: as measured]"),
    ] = None,
    body: Annotated[
        int | None,
        typer.Option(help="Bytes of a body. [default: as measured]"),
    ] = None,
    window: Annotated[str, typer.Option(help="The shops' dedupe window.")] = "3d",
    retention: Annotated[str, typer.Option(help="How long raw deliveries are kept.")] = "30d",
    orders: Annotated[float, typer.Option(help="New orders for each delivery.")] = 0.5,
    carts: Annotated[float, typer.Option(help="New carts for each delivery.")] = 0.125,
    customers: Annotated[float, typer.Option(help="New customers for each delivery.")] = 0.125,
    headroom: Annotated[
        float,
        typer.Option(help="Share of a core left free at the peak."),
    ] = 0.3,
    process_memory: Annotated[float, typer.Option(metavar="GB", help="Of one process.")] = 8.0,
    postgres_cores: Annotated[int, typer.Option(help="Of one PostgreSQL.")] = 32,
    postgres_log: Annotated[
        float, typer.Option(metavar="MB/S", help="Write-ahead log that one PostgreSQL writes.")
    ] = 200.0,
    broker_cores: Annotated[int, typer.Option(help="Of one broker.")] = 8,
    broker_bytes: Annotated[float, typer.Option(metavar="MB/S", help="One broker writes.")] = 50.0,
    broker_partitions: Annotated[int, typer.Option(help="Replicas that one broker holds.")] = 4000,
    replication: Annotated[int, typer.Option(help="Copies of each partition.")] = 3,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own figures. [default: those of the package]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Reckon processes, partitions, brokers and gigabytes for a rate of deliveries.

    From figures that were measured: CPU, memory and bytes of a delivery in every part. Processes
    are of one core each. A figure that nobody has measured leaves its line open. What a machine
    may be asked for is yours to say, from --headroom to --replication. docs/capacity.md says how
    the numbers come about and how to measure on your machines.

    Examples:
      hookline capacity --rate 100
      hookline capacity --rate 10000 --peak 2 --events-per-delivery 1.5
      hookline capacity --rate 1000000 --window 1d --retention 7d --process-memory 32
      hookline capacity --rate 10000 --figures ours.json --json | jq .kafka.brokers
    """
    from hookline.capacity import measurements, report
    from hookline.capacity.load import Load, Machines
    from hookline.capacity.plan import plan
    from schemas.shops import seconds

    load = Load(
        rate=rate,
        events=events_per_delivery,
        body=body,
        peak=peak,
        window_s=seconds(window, "--window"),
        retention_s=seconds(retention, "--retention"),
        orders=orders,
        carts=carts,
        customers=customers,
    )
    machines = Machines(
        headroom=headroom,
        process_memory=process_memory * 1e9,
        postgres_cores=postgres_cores,
        postgres_log=postgres_log * 1e6,
        broker_cores=broker_cores,
        broker_bytes=broker_bytes * 1e6,
        broker_partitions=broker_partitions,
        replication=replication,
    )
    known = measurements.read(figures)
    made = plan(load, known, machines)
    if as_json:
        output.print_json(_told(made, known))
        return
    title = f"{rate:,.0f} deliveries/s, {rate * peak:,.0f} at the peak"
    output.out.print(output.table(title, report.COLUMNS, report.rows(made)))
    found = report.breaks(made, known)
    output.out.print(report.first(made, found), markup=False)
    shown = [
        (f"{each.at:,.0f}/s" if each.at is not None else report.UNKNOWN, *_words(each))
        for each in found
    ]
    output.out.print(output.table("how far one goes", ("up to", "what ends", "then"), shown))
    for line in report.doubts(known):
        output.out.print(line, markup=False)


def _words(found: Any) -> tuple[str, str]:
    return found.what, found.remedy


def _told(made: "Plan", known: "Figures") -> dict[str, Any]:
    from hookline.capacity.report import breaks, doubts, first

    found = breaks(made, known)
    said = {item.name: getattr(made, item.name) for item in fields(made)}
    whole = {
        name: value if isinstance(value, int | float | tuple) or value is None else asdict(value)
        for name, value in said.items()
    }
    log, cache = made.take_over
    return {
        **whole,
        "take_over": {"from_log": log, "from_cache": cache},
        "breaks_first": first(made, found),
        "breaks": [asdict(each) for each in found],
        "not_measured": known.missing,
        "provisional": known.provisional,
        "doubts": doubts(known),
    }
