"""``hookline up``, ``down``, ``status`` and ``doctor``: the whole stack on this machine."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from hookline.commands.options import DataOption, JsonOption
from hookline.console import output
from hookline.stack_address import data_folder, find_stack

if TYPE_CHECKING:
    from hookline.local.doctor import Finding
    from hookline.local.up import UpOptions

_PORT = "Port of the {}. [default: the previous one, else a free one]"


def up(
    data: DataOption = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of processors.")] = 1,
    shops: Annotated[
        Path | None,
        typer.Option(help="Shops file. [default: ./shops.toml, else the example shops]"),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once it is up; stop it with `down`.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help=_PORT.format("ingress"), show_default=False)
    ] = 0,
    kafka_port: Annotated[
        int, typer.Option(min=0, max=65_535, help=_PORT.format("broker"), show_default=False)
    ] = 0,
    registry_port: Annotated[
        int, typer.Option(min=0, max=65_535, help=_PORT.format("registry"), show_default=False)
    ] = 0,
    postgres_port: Annotated[
        int, typer.Option(min=0, max=65_535, help=_PORT.format("database"), show_default=False)
    ] = 0,
) -> None:
    """Run Kafka, registry, PostgreSQL and the three stages on this machine, until Ctrl-C.

    Keeps the data of earlier runs. Downloads the servers the first time (205 MB).

    Examples:
      hookline up
      hookline up --workers 2 --port 8080
      hookline up --data /srv/hookline --shops shops.toml --detach
    """
    from hookline.local.up import UpOptions, run

    ports = {
        "ingest": port,
        "kafka": kafka_port,
        "registry": registry_port,
        "postgres": postgres_port,
    }
    options = UpOptions(data_folder(data), workers, shops, ports)
    if detach:
        from hookline.local.up import start_detached

        _print_up(start_detached(options.data, _arguments(options), _report), is_detached=True)
        return
    run(options, report=_report, ready=lambda run: _print_up(run, is_detached=False))


def down(data: DataOption = None) -> None:
    """Stop the stack of `hookline up`; its data is kept.

    Examples:
      hookline down
      hookline down --data /srv/hookline
    """
    from hookline.local.folder import Folder

    folder = Folder(data_folder(data))
    output.print_line("stopped" if folder.stop() else f"nothing runs in {folder.path}")


def status(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show the processes, restarts, memory and addresses of `hookline up`.

    Exits with 1 if nothing is up.

    Examples:
      hookline status
      hookline status --json
    """
    from hookline.local.folder import Folder

    folder = Folder(data_folder(data))
    run = folder.read()
    if run is None:
        is_starting = folder.owner() is not None
        if as_json:
            output.print_json({"running": False, "starting": is_starting})
        else:
            output.print_line("starting" if is_starting else f"nothing runs in {folder.path}")
        raise typer.Exit(1)
    from hookline.local.status import status_of

    status = status_of(run)
    if as_json:
        output.print_json(status)
    else:
        _print_status(status)


def doctor(
    data: DataOption = None,
    shops: Annotated[Path | None, typer.Option(help="Shops file to check.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check this machine, the running stack and its servers, and advise what to do.

    Exits with 1 if something is wrong. The servers are those of `hookline up`, or those of
    HOOKLINE_BROKERS and the like.

    Examples:
      hookline doctor
      HOOKLINE_BROKERS=kafka:9092 HOOKLINE_REGISTRY_URL=http://registry:8081 hookline doctor
    """
    findings = _findings(data, shops)
    if as_json:
        output.print_json(
            [{"subject": f.subject, "level": f.level, "words": f.message} for f in findings]
        )
    else:
        _print_findings(findings)
    if any(finding.level == "wrong" for finding in findings):
        raise typer.Exit(1)


def _report(line: str) -> None:
    output.err.print(line, markup=False)


def _arguments(options: "UpOptions") -> list[str]:
    """The command-line arguments of ``options``, except for --data."""
    arguments = ["--workers", str(options.workers)]
    if options.shops is not None:
        arguments += ["--shops", str(options.shops)]
    for name, port in options.ports.items():
        arguments += ["--port" if name == "ingest" else f"--{name}-port", str(port)]
    return arguments


def _print_up(run: Mapping[str, Any], *, is_detached: bool) -> None:
    addresses = {
        "ingress": run["ingress_url"],
        "bootstrap servers": run["brokers"],
        "schema registry": run["registry_url"],
        "PostgreSQL, read only": run["reader_url"],
        "shops": run["shops"],
        "data": run["data"],
    }
    for name, value in addresses.items():
        output.print_line(f"{name:<23}{value}")
    output.print_line("up; " + ("`hookline down` stops it" if is_detached else "Ctrl-C stops it"))
    output.print_line("try: `hookline send run-free cart-change`, `hookline tables --watch`")


def _print_status(status: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("process", "state", "pid", "up", "restarts", "memory"):
        justify = "left" if name in ("process", "state") else "right"
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for process in status["processes"]:
        table.add_row(
            process["name"],
            process["state"],
            str(process["pid"]),
            f"{process['uptime_seconds']:.0f} s",
            str(process["restarts"]),
            f"{process['memory_bytes'] / 1e6:.0f} MB",
        )
    table.add_section()
    table.add_row("total", "", "", "", "", f"{status['memory_bytes'] / 1e6:.0f} MB")
    output.out.print(table)
    for name in ("ingress_url", "brokers", "registry_url", "reader_url", "data", "shops"):
        label = name.replace("_url", "").replace("reader", "PostgreSQL (read only)")
        output.print_line(f"{label}: {status[name]}")
    for process in status["processes"]:
        if process["state"] != "up":
            reason = process.get("waits_for") or f"see {process['log']}"
            output.print_line(f"{process['name']}: {reason}")


def _findings(data: Path | None, shops: Path | None) -> "list[Finding]":
    from hookline.local import doctor
    from hookline.local.folder import Folder

    folder = data_folder(data)
    if shops is None and (named := os.environ.get("HOOKLINE_SHOPS_FILE")):
        shops = Path(named)
    findings = [*doctor.machine(folder, shops), *doctor.processes(folder)]
    if "HOOKLINE_BROKERS" in os.environ or Folder(folder).read() is not None:
        findings += doctor.services(find_stack(data).settings)
    return findings


def _print_findings(findings: "list[Finding]") -> None:
    marks = {"ok": "[green]ok[/]   ", "note": "[yellow]note[/] ", "wrong": "[red]WRONG[/]"}
    for finding in findings:
        output.out.print(marks[finding.level], end=" ")
        output.print_line(f"{finding.subject}: {finding.message}")
    wrong = sum(finding.level == "wrong" for finding in findings)
    output.out.print("nothing is wrong" if not wrong else f"{wrong} to fix")
