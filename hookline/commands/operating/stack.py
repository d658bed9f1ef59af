"""``hookline up``, ``down`` and ``doctor``: the whole stack on this machine."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.commands.options import DataOption, JsonOption
from hookline.console import hints, output
from hookline.console.command_path import command_path
from hookline.stack_address import data_folder, find_stack

if TYPE_CHECKING:
    from hookline.local.doctor.finding import Finding
    from hookline.local.up import UpOptions


_PORT = "Port of the {}. [default: the previous one, else a free one]"


def up(
    data: DataOption = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of processors.")] = 1,
    shops: Annotated[
        Path | None,
        typer.Option(help="Shops file. [default: ./shops.toml, else a copy of the example]"),
    ] = None,
    brokers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=5,
            help="Kafka brokers: 1, or 3 and more, which keep three copies of every record."
            " [default: those of the data folder, else 1]",
            show_default=False,
        ),
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
    dashboard_port: Annotated[
        int, typer.Option(min=0, max=65_535, help=_PORT.format("dashboard"), show_default=False)
    ] = 0,
) -> None:
    """Run Kafka, registry, PostgreSQL, the three stages and the dashboard, until Ctrl-C.

    Keeps the data of earlier runs and, of a data folder, the number of brokers. Downloads
    the servers the first time (205 MB).

    Examples:
      hookline up
      hookline up --workers 2 --port 8080
      hookline up --brokers 3 --data /srv/cluster
      hookline up --data /srv/hookline --shops shops.toml --detach
    """
    from hookline.dashboard.login.door import Door
    from hookline.local.up import UpOptions, run
    from runtime.settings import from_env

    Door(from_env())  # a wrong login is an error now, not a dashboard that never starts
    ports = {
        "ingest": port,
        "kafka": kafka_port,
        "registry": registry_port,
        "postgres": postgres_port,
        "dashboard": dashboard_port,
    }
    options = UpOptions(data_folder(data), workers, shops, ports, brokers)
    if detach:
        from hookline.local.detached import start_detached

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
    output.print_message(line)


def _arguments(options: "UpOptions") -> list[str]:
    """The command-line arguments of ``options``, except for --data."""
    arguments = ["--workers", str(options.workers)]
    if options.shops is not None:
        arguments += ["--shops", str(options.shops)]
    if options.brokers is not None:
        arguments += ["--brokers", str(options.brokers)]
    for name, port in options.ports.items():
        arguments += ["--port" if name == "ingest" else f"--{name}-port", str(port)]
    return arguments


def _print_up(run: Mapping[str, Any], *, is_detached: bool) -> None:
    from runtime.logs import without_passwords

    addresses = {
        "dashboard": run["dashboard_url"],
        "ingress": run["ingress_url"],
        "bootstrap servers": run["brokers"],
        "schema registry": run["registry_url"],
        "PostgreSQL, read only": run["reader_url"],
        "shops": run["shops"],
        "data": run["data"],
        "memory": _describe_memory(run),
    }
    for name, value in addresses.items():
        output.print_line(f"{name:<23}{without_passwords(value)}")
    hookline = command_path()
    named = "" if Path(run["data"]) == data_folder(None).resolve() else f" --data {run['data']}"
    stop = f"`{hookline} down{named}` stops it" if is_detached else "Ctrl-C stops it"
    output.print_line(f"up; {stop}")
    tried = hints.commands("up", Path(run["data"]) if named else None)
    tried = [f"`{hookline}{each.removeprefix('hookline')}`" for each in tried]
    output.print_line(f"try: {', '.join(tried)}")


def _describe_memory(run: Mapping[str, Any]) -> str:
    from hookline.local.stack import memory

    used = {process["name"]: memory(process["pid"]) / 1e6 for process in run["processes"]}
    kafkas = [size for name, size in used.items() if name.startswith("kafka")]
    brokers = "broker" if len(kafkas) == 1 else f"{len(kafkas)} brokers"
    return f"{sum(used.values()):.0f} MB, of these {sum(kafkas):.0f} MB for the {brokers}"


def _findings(data: Path | None, shops: Path | None) -> "list[Finding]":
    from hookline.local.doctor import machine, services
    from hookline.local.folder import Folder
    from runtime.logs import without_passwords

    folder = data_folder(data)
    run = Folder(folder).read()
    if shops is None and (named := os.environ.get("HOOKLINE_SHOPS_FILE")):
        shops = Path(named)
    if shops is None and run is not None:
        shops = Path(run["shops"])
    findings = [*machine.machine(folder, shops), *machine.processes(folder)]
    if "HOOKLINE_BROKERS" in os.environ or run is not None:
        findings += services.services(find_stack(data).settings)
    return [replace(each, message=without_passwords(each.message)) for each in findings]


def _print_findings(findings: "list[Finding]") -> None:
    marks = {"ok": ("ok   ", "green"), "note": ("note ", "yellow"), "wrong": ("WRONG", "red")}
    for finding in findings:
        output.print_parts(marks[finding.level], f" {finding.subject}: {finding.message}")
    wrong = sum(finding.level == "wrong" for finding in findings)
    output.out.print("nothing is wrong" if not wrong else f"{wrong} to fix")
