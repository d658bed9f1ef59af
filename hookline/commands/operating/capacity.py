"""``hookline capacity``: machines needed for a rate of deliveries."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.commands.options import JsonOption
from hookline.console import output

if TYPE_CHECKING:
    from hookline.capacity.measurements import Figures
    from hookline.capacity.plan import Plan


def capacity(
    rate: Annotated[float, typer.Option(help="Deliveries a second, on average.")],
    peak: Annotated[
        float, typer.Option(help="Rate of the busiest seconds, as a multiple of the average.")
    ] = 3.0,
    events_per_delivery: Annotated[
        float | None,
        typer.Option(help="Canonical events a delivery. [default: as measured]"),
    ] = None,
    body: Annotated[
        int | None,
        typer.Option(help="Bytes of a body. [default: as measured]"),
    ] = None,
    window: Annotated[str, typer.Option(help="The shops' dedupe window.")] = "3d",
    retention: Annotated[str, typer.Option(help="How long raw deliveries are kept.")] = "24d",
    orders: Annotated[float, typer.Option(help="New orders a delivery.")] = 0.5,
    carts: Annotated[float, typer.Option(help="New carts a delivery.")] = 0.125,
    customers: Annotated[float, typer.Option(help="New customers a delivery.")] = 0.125,
    headroom: Annotated[
        float,
        typer.Option(help="Share of a core left free at the peak."),
    ] = 0.3,
    process_memory: Annotated[
        float, typer.Option(metavar="GB", help="Memory of one process.")
    ] = 8.0,
    postgres_cores: Annotated[int, typer.Option(help="Cores of one PostgreSQL server.")] = 32,
    postgres_log: Annotated[
        float, typer.Option(metavar="MB/S", help="Write-ahead log of one PostgreSQL server.")
    ] = 200.0,
    broker_cores: Annotated[int, typer.Option(help="Cores of one broker.")] = 8,
    broker_bytes: Annotated[
        float, typer.Option(metavar="MB/S", help="Bytes one broker writes.")
    ] = 50.0,
    broker_partitions: Annotated[int, typer.Option(help="Replicas on one broker.")] = 4000,
    replication: Annotated[int, typer.Option(help="Copies of each partition.")] = 3,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own measurements. [default: the package's]"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compute the processes, partitions, brokers and gigabytes needed for a rate of deliveries.

    Uses measured CPU, memory and bytes a delivery for every part. Each process uses one core.
    Lines without a measurement stay open. The options from --headroom to --replication set the
    limits of your machines. docs/capacity.md explains the calculation and how to measure on your
    own machines.

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
    measured = measurements.read(figures)
    result = plan(load, measured, machines)
    if as_json:
        output.print_json(_as_dict(result, measured))
        return
    title = f"{rate:,.0f} deliveries/s, {rate * peak:,.0f} at the peak"
    output.out.print(output.table(title, report.COLUMNS, report.rows(result)))
    limits = report.find_limits(result, measured)
    output.out.print(report.first_limit(result, limits))
    rows = [
        (f"{limit.at:,.0f}/s" if limit.at is not None else report.UNKNOWN, limit.what, limit.remedy)
        for limit in limits
    ]
    output.out.print(output.table("how far one goes", ("up to", "what ends", "then"), rows))
    for line in report.caveats(measured):
        output.out.print(line)


def _as_dict(result: "Plan", measured: "Figures") -> dict[str, Any]:
    from hookline.capacity.report import caveats, find_limits, first_limit

    limits = find_limits(result, measured)
    log, cache = result.take_over
    return {
        **asdict(result),
        "take_over": {"from_log": log, "from_cache": cache},
        "breaks_first": first_limit(result, limits),
        "breaks": [asdict(limit) for limit in limits],
        "not_measured": measured.missing,
        "provisional": measured.provisional,
        "doubts": caveats(measured),
    }
