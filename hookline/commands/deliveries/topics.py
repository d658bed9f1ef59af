"""``hookline topics``: count, show and create topics."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.commands.completion import starting_with, topic_names
from hookline.commands.operating.stages import create_topics
from hookline.commands.options import (
    DataOption,
    JsonLinesOption,
    JsonOption,
    ShopPatternOption,
    SinceOption,
)
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.stack_address import StackAddress, find_stack

if TYPE_CHECKING:
    from hookline.topics.selection import Selection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

group = typer.Typer(no_args_is_help=False, rich_markup_mode=None)


@group.callback(invoke_without_command=True)
def topics(
    context: typer.Context,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show the topics and their record counts.

    Examples:
      hookline topics
      hookline topics --json
      hookline topics tail carts
      hookline topics create
    """
    if context.invoked_subcommand is not None:
        return
    from hookline.topics.records import count_records

    counts = asyncio.run(count_records(find_stack(data).settings))
    if as_json:
        output.print_json(counts)
        return
    columns = ("topic", "records", "partitions", "description")
    rows = [[count[name] for name in columns] for count in counts]
    output.out.print(output.table(None, (*columns[:3], "holds"), rows))


@group.command()
def tail(
    name: Annotated[
        str,
        typer.Argument(
            help="carts, orders, dead-letters, webhooks ...",
            autocompletion=starting_with(topic_names),
        ),
    ],
    from_start: Annotated[
        bool, typer.Option(help="Start with the oldest record retained.")
    ] = False,
    maximum: Annotated[
        int | None, typer.Option("--max", min=1, help="Stop after this many records.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Wait for new records at the end.")] = True,
    since: SinceOption = None,
    until: Annotated[
        str | None, typer.Option(help="Before this time, from the oldest or --since; no waiting.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="With this key; * for any part.")] = None,
    shop: ShopPatternOption = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="With this header; may be given again; hookline- may be left out; * for any part.",
        ),
    ] = None,
    as_json: JsonLinesOption = False,
    data: DataOption = None,
) -> None:
    """Show a topic's decoded records as they arrive; Ctrl-C stops.

    Times are those at which Kafka appended the records.

    Examples:
      hookline topics tail carts
      hookline topics tail webhooks --shop spiffy/johns --header 'event=orders/*'
      hookline topics tail orders --since 2h --until 1h --key 'spiffy/johns/order:7'
      hookline topics tail dead-letters --from-start --no-follow
      hookline topics tail orders --from-start --max 5 --json | jq .value.total
    """
    from hookline.console.time_argument import milliseconds
    from hookline.topics import records
    from hookline.topics.selection import Selection, parse_headers

    if from_start and since is not None:
        raise CommandError("--from-start and --since both name where to begin: give one of them")
    selection = Selection(
        from_start,
        None if since is None else milliseconds(since),
        None if until is None else milliseconds(until),
        key,
        shop,
        parse_headers(header or ()),
    )
    stack = find_stack(data)
    settings = stack.settings
    topic = records.topic_named(name, settings)
    _refuse_unknown(stack, selection)
    if follow and until is None:
        output.print_message(_waiting(settings.topic(topic), selection))

    async def show() -> None:
        shown = 0
        async for record in records.tail(settings, topic, selection, follow=follow):
            _show(record, as_json=as_json)
            shown += 1
            if maximum is not None and shown >= maximum:
                return
        if not shown:
            output.print_message(f"no such record in {settings.topic(topic)}")

    asyncio.run(show())


def _refuse_unknown(stack: StackAddress, selection: "Selection") -> None:
    """Raise CommandError for a shop that there is not; note an event that no adapter knows."""
    from hookline.shops.known import event_note, require_shop

    require_shop(stack, selection.shop, patterns=True)
    parts = (selection.key or "").split("/", 2)
    if len(parts) == 3:  # noqa: PLR2004 - source, shop and the rest: source/shop/order:7
        require_shop(stack, "/".join(parts[:2]), patterns=True)
    event = selection.headers.get("event") or selection.headers.get("hookline-event")
    if (note := event_note(event, selection.shop)) is not None:
        output.print_message(note)


def _waiting(topic: str, selection: "Selection") -> str:
    text = f"connecting; then waits for records of {topic}, Ctrl-C stops"
    if selection.from_start or selection.since_ms is not None:
        return text
    return f"{text}; --from-start also shows those that are there"


def _show(record: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(record)
        return
    position = f"{record['partition']}:{record['offset']}"
    output.print_parts((position, "bold"), f"  {record['key']}")
    value = record.get("value", record.get("value_base64", record.get("unreadable")))
    if isinstance(value, dict):
        output.print_document(_with_times(value))
    else:
        output.print_line(str(record["headers"]))
        output.print_line(str(value))


def _with_times(value: Any, name: str = "") -> Any:
    """Replace times, which records hold in microseconds, by ISO 8601 text."""
    if isinstance(value, dict):
        return {inner: _with_times(field, inner) for inner, field in value.items()}
    if isinstance(value, list):
        return [_with_times(item) for item in value]
    if isinstance(value, int) and name.endswith(("_at", "_time")):
        try:
            return (_EPOCH + timedelta(microseconds=value)).isoformat().replace("+00:00", "Z")
        except OverflowError:
            return value
    return value


@group.command()
def configure(
    dry_run: Annotated[bool, typer.Option(help="Show what differs; change nothing.")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Set the settings of existing topics that differ from the declared ones.

    Retention, record size, compression, segments, replicas in sync, timestamps. Partition counts
    are never changed. `hookline doctor` names what differs.

    Examples:
      hookline topics configure --dry-run
      hookline topics configure
      hookline topics configure --json | jq '.[].setting'
    """
    from dataclasses import asdict

    from runtime.kafka import declared_settings

    settings = find_stack(data).settings
    work = declared_settings.find_differences if dry_run else declared_settings.configure
    found = asyncio.run(work(settings))
    if as_json:
        output.print_json([asdict(difference) for difference in found])
        return
    for difference in found:
        output.print_line(f"{difference}{'' if dry_run else ': set'}")
    if not found:
        output.out.print("all topics are as declared")


group.command("create")(create_topics)
