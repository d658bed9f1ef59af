"""``hookline status``: the stack of this machine, and the workers of all machines."""

import asyncio
import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.commands.options import DataOption, JsonOption
from hookline.console import output
from hookline.console.errors import error_message
from hookline.console.result_table import ResultTable
from hookline.stack_address import data_folder, find_stack

if TYPE_CHECKING:
    from hookline.groups.groups import GroupState
    from hookline.local.folder import Folder
    from runtime.settings import Settings

_ANSWER_S = 20.0
"""Kafka has so long to answer."""
_ID = 6
"""Characters of a member's id that tell two workers of a host apart."""


class Stage(StrEnum):
    """A stage that can be added to a stack."""

    INGEST = "ingest"
    PROCESS = "process"
    SINK = "sink"


def status(
    data: DataOption = None,
    as_json: JsonOption = False,
    env: Annotated[
        bool, typer.Option("--env", help="Print the stack's settings, with passwords, for a shell.")
    ] = False,
    stage: Annotated[
        Stage | None,
        typer.Option(help="With --env: only what this stage needs, with its rights."),
    ] = None,
) -> None:
    """Show what runs: the stack of this machine, and the workers of all machines with their lag.

    The processes of `hookline up` with restarts, memory and addresses, without passwords, and the
    workers that were added on this machine; then, as Kafka knows them, the members of the
    processors' and the sinks' groups, their partitions, and the records that wait for them. With
    HOOKLINE_BROKERS set, the groups of that cluster; no stack need be up here.

    Exits with 1 if nothing is up here; of a stack elsewhere, if Kafka does not answer or a group
    has no worker.

    Examples:
      hookline status
      hookline status --json | jq '.groups[].lag'
      HOOKLINE_BROKERS=kafka:9092 hookline status
      eval "$(hookline status --env --stage process)"; hookline process
      eval "$(hookline status --env)"; hookline dead list
    """
    from hookline.local.folder import Folder

    folder = Folder(data_folder(data))
    run = folder.read()
    elsewhere = os.environ.get("HOOKLINE_BROKERS") if data is None else None
    if elsewhere and not env and (run is None or run["brokers"] != elsewhere):
        _show_elsewhere(as_json=as_json)
        return
    if run is None:
        _show_nothing(folder, as_json=as_json)
        raise typer.Exit(1)
    if env:
        _print_environment(run, stage)
        return
    from hookline.local.status import status_of

    status = status_of(run)
    groups, error = _groups(find_stack(data).settings)
    if as_json:
        output.print_json({**status, **_groups_json(groups, error)})
        return
    _print_status(status)
    _print_groups(groups, error)


def _show_nothing(folder: "Folder", *, as_json: bool) -> None:
    is_starting = folder.owner() is not None
    if as_json:
        output.print_json({"running": False, "starting": is_starting, "step": folder.step()})
    elif is_starting:
        output.print_line(f"starting: {folder.step() or 'no step yet'}")
    else:
        output.print_line(f"nothing runs in {folder.path}: `hookline up` starts a stack")


def _show_elsewhere(*, as_json: bool) -> None:
    settings = find_stack(None).settings
    groups, error = _groups(settings)
    if as_json:
        output.print_json({"brokers": settings.brokers, **_groups_json(groups, error)})
    else:
        output.print_line(f"brokers: {settings.brokers}")
        _print_groups(groups, error)
    if error or not all(group.members for group in groups):
        raise typer.Exit(1)


def _groups(settings: "Settings") -> "tuple[list[GroupState], str]":
    """Ask Kafka; a sentence in place of what it does not answer, so that the rest is shown."""
    from aiokafka.errors import KafkaError

    from hookline.groups.groups import states

    try:
        return asyncio.run(asyncio.wait_for(states(settings), _ANSWER_S)), ""
    except Exception as error:
        message = error_message(error)
        if message is None and not isinstance(error, KafkaError):
            raise
        return [], message or f"Kafka does not answer as it should: {error}"


def _groups_json(groups: "list[GroupState]", error: str) -> dict[str, Any]:
    return {"groups": [group.as_dict() for group in groups], "groups_error": error or None}


def _print_groups(groups: "list[GroupState]", error: str) -> None:
    if error:
        output.print_line(f"groups: {error}")
        return
    for group in groups:
        output.print_line("")
        workers = f"{len(group.members)} {'worker' if len(group.members) == 1 else 'workers'}"
        output.print_line(f"{group.group}: {workers}, {group.state}", style="bold")
        members = [
            (each.host, each.client, each.member[-_ID:], each.owned, _owned(each.partitions))
            for each in group.members
        ]
        if members:
            columns = ("host", "client", "id ends", "owns", "partitions")
            output.out.print(output.table(None, columns, members))
        behind = [each for each in group.topics if each.records]
        for lag in behind:
            waits = "" if lag.seconds is None else f", the oldest for {lag.seconds:,.0f} s"
            output.print_line(f"{lag.topic}: {lag.records:,} records wait{waits}")
        if not behind:
            output.print_line("no record waits")
        for lag in group.topics:
            if group.members and lag.unowned:
                numbers = ", ".join(map(str, lag.unowned))
                output.print_line(f"{lag.topic}: nobody owns partition {numbers}")


def _owned(partitions: Mapping[str, Sequence[int]]) -> str:
    """Partitions by topic; topics with the same numbers together."""
    topics: dict[tuple[int, ...], list[str]] = {}
    for topic, numbers in partitions.items():
        topics.setdefault(tuple(numbers), []).append(topic.rpartition(".")[2])
    return "; ".join(
        f"{', '.join(names)}: {' '.join(map(str, numbers))}" for numbers, names in topics.items()
    )


def _print_environment(run: Mapping[str, Any], stage: Stage | None) -> None:
    """Print what a stage needs to join the stack, or a command, as shell commands."""
    urls = {
        f"HOOKLINE_{name.upper()}": run[name]
        for name in ("ingress_url", "reader_url", "contacts_reader_url")
    }
    given = {**run["environment"], **urls}
    wanted: Mapping[str, str] = given if stage is None else run["stages"][stage.value]
    for name in sorted(given.keys() - wanted.keys()):
        print(f"unset {name}")
    for name, value in wanted.items():
        print(f"export {name}={shlex.quote(value)}")


def _print_status(status: Mapping[str, Any]) -> None:
    from hookline.local.status import ADDRESSES

    columns = ("process", "state", "pid", "up", "restarts", "memory")
    rows = [
        (
            process["name"],
            process["state"],
            str(process["pid"]),
            str(timedelta(seconds=round(process["uptime_seconds"]))),
            str(process["restarts"]),
            f"{process['memory_bytes'] / 1e6:.0f} MB",
        )
        for process in status["processes"]
    ]
    total = ("total", "", "", "", "", f"{status['memory_bytes'] / 1e6:.0f} MB")
    numeric = (False, False, True, True, True, True)
    output.out.print(ResultTable(None, columns, [*rows, total], numeric))
    for name in ADDRESSES:
        label = name.replace("_url", "").replace("reader", "PostgreSQL (read only)")
        output.print_line(f"{label}: {status[name]}")
    for process in status["processes"]:
        if process["state"] != "up":
            reason = process["waits_for"] or f"see {process['log']}"
            output.print_line(f"{process['name']}: {reason}")
        for warning in process.get("warnings", ()):
            output.print_line(f"{process['name']}: {warning}")
