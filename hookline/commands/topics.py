"""``hookline topics``: counts, records, creation."""

import asyncio
from typing import Annotated, Any

import typer
from rich.text import Text

from hookline.commands.stages import create_topics
from hookline.console import escaping, output
from hookline.stack_address import DataOption, find

group = typer.Typer(no_args_is_help=False, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="topics")
    group.command("create")(create_topics)


@group.callback(invoke_without_command=True)
def topics(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    data: DataOption = None,
) -> None:
    """Show the topics and how many records each holds.

    Examples:
      hookline topics
      hookline topics --json
      hookline topics tail carts
      hookline topics create
    """
    if context.invoked_subcommand is not None:
        return
    from hookline.topics import counted

    found = asyncio.run(counted(find(data).settings))
    if as_json:
        output.print_json(
            [
                {
                    "topic": one.name,
                    "records": one.records,
                    "partitions": one.partitions,
                    "key": one.topic.key,
                    "writer": one.topic.writer,
                    "readers": one.topic.readers,
                    "description": one.topic.description,
                }
                for one in found
            ]
        )
        return
    rows = [(one.name, one.records, one.partitions, one.topic.description) for one in found]
    output.out.print(output.table(None, ("topic", "records", "partitions", "holds"), rows))


@group.command()
def tail(
    name: Annotated[str, typer.Argument(help="carts, orders, dead-letters, webhooks ...")],
    from_start: Annotated[bool, typer.Option(help="From the oldest record kept.")] = False,
    maximum: Annotated[
        int | None, typer.Option("--max", min=1, help="Stop after so many records.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Wait for more at the end.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    data: DataOption = None,
) -> None:
    """Show a topic's records, decoded, as they come; Ctrl-C stops.

    Examples:
      hookline topics tail carts
      hookline topics tail dead-letters --from-start --no-follow
      hookline topics tail orders --from-start --max 5 --json | jq .value.total
    """
    import hookline.topics as reading

    settings = find(data).settings
    topic = reading.topic_named(name, settings)

    async def show() -> None:
        shown = 0
        async for record in reading.tail(settings, topic, from_start=from_start, follow=follow):
            _show(record, as_json=as_json)
            shown += 1
            if maximum is not None and shown >= maximum:
                return

    asyncio.run(show())


def _show(record: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(record)
        return
    place = f"{record['partition']}:{record['offset']}"
    output.out.print(Text.assemble((place, "bold"), "  ", escaping.line(str(record["key"]))))
    value = record.get("value", record.get("value_base64", record.get("unreadable")))
    if isinstance(value, dict):
        output.out.print_json(data=value, indent=2)
    else:
        output.out.print(escaping.line(str(record["headers"])), markup=False)
        output.out.print(escaping.line(str(value)), markup=False)
