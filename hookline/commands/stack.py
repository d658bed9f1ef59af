"""The whole stack on this machine: up, down, status, doctor."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from hookline.console import output
from hookline.stack_address import DataOption, data_folder

_PANEL = "This machine"
_JSON = typer.Option("--json", help="For a machine to read.")
_PORT = "Port of the {}. [default: the last one, else a free one]"


def up(
    data: DataOption = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processors to run.")] = 1,
    shops: Annotated[
        Path | None,
        typer.Option(help="Shops file. [default: ./shops.toml, else the example's shops]"),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once it is up; end it with `down`.")
    ] = False,
    port: Annotated[int, typer.Option(help=_PORT.format("ingress"), show_default=False)] = 0,
    kafka_port: Annotated[int, typer.Option(help=_PORT.format("broker"), show_default=False)] = 0,
    registry_port: Annotated[
        int, typer.Option(help=_PORT.format("registry"), show_default=False)
    ] = 0,
    postgres_port: Annotated[
        int, typer.Option(help=_PORT.format("database"), show_default=False)
    ] = 0,
) -> None:
    """Run everything here: Kafka, registry, PostgreSQL and the three stages, until Ctrl-C.

    Goes on with the data of the folder. Fetches the servers the first time (205 MB).

    Examples:
      hookline up
      hookline up --workers 2 --port 8080
      hookline up --data /srv/hookline --shops shops.toml --detach
    """
    from hookline.local.up import Wanted, run

    ports = {
        "ingest": port,
        "kafka": kafka_port,
        "registry": registry_port,
        "postgres": postgres_port,
    }
    wanted = Wanted(data_folder(data), workers, shops, ports)
    if detach:
        from hookline.local.detached import start

        said = start(wanted.data, _options(workers, shops, ports), _say)
        _print_up(said, is_detached=True)
        return
    run(
        wanted,
        say=_say,
        ready=lambda said: _print_up(said, is_detached=False),
    )


def down(data: DataOption = None) -> None:
    """Stop what `hookline up` runs; its data stay.

    Examples:
      hookline down
      hookline down --data /srv/hookline
    """
    from hookline.local.folder import Folder

    folder = Folder(data_folder(data))
    words = "stopped" if folder.end() else f"nothing runs in {folder.path}"
    output.out.print(words, markup=False)


def status(data: DataOption = None, as_json: Annotated[bool, _JSON] = False) -> None:
    """Show what `hookline up` runs: processes, restarts, memory, addresses.

    Ends with 1 where nothing is up.

    Examples:
      hookline status
      hookline status --json
    """
    from hookline.local.folder import Folder

    folder = Folder(data_folder(data))
    said = folder.read()
    if said is None:
        is_starting = folder.owner() is not None
        words = "starting" if is_starting else f"nothing runs in {folder.path}"
        if as_json:
            output.print_json({"running": False, "starting": is_starting})
        else:
            output.out.print(words, markup=False)
        raise typer.Exit(1)
    from hookline.local.status import status_of

    shown = status_of(said)
    if as_json:
        output.print_json(shown)
    else:
        _print_status(shown)


def doctor(
    data: DataOption = None,
    shops: Annotated[Path | None, typer.Option(help="Shops file to look at.")] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Look for what is missing or wrong, and say what to do. Ends with 1 if something is.

    Looks at this machine, at the running stack and at the servers: those of `hookline up`,
    or those that HOOKLINE_BROKERS and its like name.

    Examples:
      hookline doctor
      HOOKLINE_BROKERS=kafka:9092 HOOKLINE_REGISTRY_URL=http://registry:8081 hookline doctor
    """
    findings = _findings(data, shops)
    if as_json:
        output.print_json([_finding(found) for found in findings])
    else:
        _print_findings(findings)
    if any(found.level == "wrong" for found in findings):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (up, down, status, doctor):
        app.command(rich_help_panel=_PANEL)(command)


def _say(line: str) -> None:
    output.err.print(line, markup=False)


def _options(workers: int, shops: Path | None, ports: Mapping[str, int]) -> list[str]:
    options = ["--workers", str(workers)]
    if shops is not None:
        options += ["--shops", str(shops)]
    for name, port in ports.items():
        options += ["--port" if name == "ingest" else f"--{name}-port", str(port)]
    return options


def _print_up(said: Mapping[str, Any], *, is_detached: bool) -> None:
    addresses = {
        "ingress": said["ingress_url"],
        "bootstrap servers": said["brokers"],
        "schema registry": said["registry_url"],
        "PostgreSQL, read only": said["reader_url"],
        "shops": said["shops"],
        "data": said["data"],
    }
    for name, value in addresses.items():
        output.out.print(f"{name:<23}{value}", markup=False, soft_wrap=True)
    end = "`hookline down` stops it" if is_detached else "Ctrl-C stops it"
    output.out.print(f"up; {end}", markup=False)


def _print_status(shown: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("process", "state", "pid", "up", "restarts", "memory"):
        justify = "left" if name in ("process", "state") else "right"
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for process in shown["processes"]:
        table.add_row(
            process["name"],
            process["state"],
            str(process["pid"]),
            f"{process['uptime_seconds']:.0f} s",
            str(process["restarts"]),
            f"{process['memory_bytes'] / 1e6:.0f} MB",
        )
    table.add_section()
    table.add_row("total", "", "", "", "", f"{shown['memory_bytes'] / 1e6:.0f} MB")
    output.out.print(table)
    for name in ("ingress_url", "brokers", "registry_url", "reader_url", "data", "shops"):
        label = name.replace("_url", "").replace("reader", "PostgreSQL (read only)")
        output.out.print(f"{label}: {shown[name]}", markup=False, soft_wrap=True)
    for process in shown["processes"]:
        if process["state"] != "up":
            words = process.get("waits_for") or f"see {process['log']}"
            output.out.print(f"{process['name']}: {words}", markup=False, soft_wrap=True)


def _findings(data: Path | None, shops: Path | None) -> list[Any]:
    from hookline.local import doctor
    from hookline.local.folder import Folder
    from hookline.stack_address import find

    folder = data_folder(data)
    findings = [*doctor.machine(folder, shops), *doctor.processes(folder)]
    if "HOOKLINE_BROKERS" in os.environ or Folder(folder).read() is not None:
        findings += doctor.services(find(data).settings)
    return findings


def _finding(found: Any) -> dict[str, str]:
    return {"subject": found.subject, "level": found.level, "words": found.words}


def _print_findings(findings: list[Any]) -> None:
    marks = {"ok": "[green]ok[/]   ", "note": "[yellow]note[/] ", "wrong": "[red]WRONG[/]"}
    for found in findings:
        output.out.print(marks[found.level], end=" ")
        output.out.print(f"{found.subject}: {found.words}", markup=False, soft_wrap=True)
    wrong = sum(found.level == "wrong" for found in findings)
    words = "nothing is wrong" if not wrong else f"{wrong} to put right"
    output.out.print(words)
