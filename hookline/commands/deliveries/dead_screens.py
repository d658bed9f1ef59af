"""What ``hookline dead`` shows: letters, their groups, one letter, and what a replay would give."""

from typing import TYPE_CHECKING, Any

from hookline.console import output

if TYPE_CHECKING:
    from hookline.dead_letters.letters import LetterFilter, LetterGroup
    from hookline.refusals.preview import Preview
    from runtime.settings import Settings

_COLUMNS = ("letter", "when", "shop", "event", "reason", "path", "detail", "state")
_GROUP_COLUMNS = ("letters", "shop", "reason", "path", "oldest", "newest", "newest_letter")
_NONE = "no such dead letters; --all also shows those replayed or discarded"
_PAGE = 200  # letters of one table: a list of millions is printed while it is read


async def show_letters(
    settings: "Settings", choice: "LetterFilter", *, settled: bool, as_json: bool
) -> str | None:
    """Print the letters; return the name of the last that was read."""
    from hookline.dead_letters.letters import read_letters
    from hookline.dead_letters.listing import as_dict

    page, count, last = list[dict[str, Any]](), 0, None
    async for letter, mark in read_letters(settings, choice, settled=settled):
        row, last = as_dict(letter, mark), letter.name
        if as_json:  # one array, a letter a line, printed while it is read
            output.print_item(row, is_first=not count)
        else:
            # The last line of a traceback names the error.
            page.append({**row, "detail": letter.detail.strip().rpartition("\n")[2]})
            page.sort(key=lambda each: each["when"])  # partitions are read in any order
            if len(page) == _PAGE:
                output.print_records(_COLUMNS, page)
                page.clear()
        count += 1
    if as_json:
        output.print_items_end(is_empty=not count)
    elif page or not count:
        output.print_records(_COLUMNS, page, empty=_NONE)
    return last


def show_groups(groups: "list[LetterGroup]", *, as_json: bool) -> None:
    """Print the groups, one a line."""
    from hookline.dead_letters.listing import group_as_dict

    records = [group_as_dict(each) for each in groups]
    if as_json:
        output.print_json(records)
    else:
        output.print_records(_GROUP_COLUMNS, records, empty=_NONE)


def show_letter(letter: dict[str, Any]) -> None:
    """Print the fields of a letter that have a value, a name and value a line, then its body."""
    import msgspec

    body = letter.get("value")
    fields = {**letter, "appended": output.from_unix_ms(letter["appended"])}
    headers = fields.pop("headers")
    for hidden in ("value", "when", "partition", "offset"):
        fields.pop(hidden, None)
    for title, values in (("", fields), ("headers", headers)):
        if title:
            output.print_line(title, style="bold")
        width = max(map(len, values), default=0)
        for name, value in values.items():
            if value not in (None, ""):
                text = output.display_text(value).replace("\n", "\n" + " " * (width + 2))
                output.print_line(f"{name:<{width}}  {text}")
    if body is None:
        return
    output.print_line("body", style="bold")
    try:
        output.print_indented(msgspec.json.format(body, indent=2))
    except (msgspec.DecodeError, RecursionError):
        output.print_line(body)


def show_preview(name: str, would: "Preview") -> None:
    """Print the refusal or the events that a replay of the letter would give."""
    if would.reason is not None:
        detail = f"{would.detail}".strip().rpartition("\n")[2]
        output.print_line(f"{name} would be refused: {would.reason} {would.path} {detail}")
    for event in would.events:
        output.print_line(f"{name} would give {event.topic}, {event.slot}", style="bold")
        output.print_document(event.record)
