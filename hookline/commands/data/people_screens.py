"""What ``hookline people`` shows of an erasure, without the address."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from hookline.console import output

if TYPE_CHECKING:
    from hookline.people.erase import Plan
    from hookline.people.person import Person

REMAINS = (
    "what platforms send from now on, in the raw topic for its retention: stop it at the platform",
    "backups and files of `hookline tables export` and `people export`: delete or expire them",
    "services that read topics: have them delete what they keep, hookline.erasures names whom",
    "keyed hashes and customer keys in canonical topics, for ever: sinks read the pseudonym",
    "the same in hookline.erasures and table erasures, for ever: by them the person stays erased",
)


def names_of(person: "Person") -> str:
    """Return a line with the customers of a person, in all shops."""
    customers = ", ".join(sorted(person.customers)) or "none by id"
    return f"customers: {customers}; keyed hashes: {len(person.hashes)}"


def show_plan(planned: "Plan") -> None:
    """Show what was found, without the address."""
    output.print_message(names_of(planned.person))
    rows = ", ".join(f"{table} {count}" for table, count in planned.rows.items())
    output.print_message(
        f"rows: {rows}" if rows else "no table knows this person: only the ledger is written"
    )
    output.print_message(f"open dead letters: {planned.letters}")
    if not planned.reads_contacts:
        output.print_message(
            "customer_contacts is not read (HOOKLINE_CONTACTS_READER_URL is not set): dead letters"
            " are found by ids, what you gave, and contacts in the log; the sinks delete the row"
            " all the same"
        )


def show_receipt(receipt: dict[str, Any]) -> None:
    """Show what was erased, since when, and what remains."""
    title = "already erased on" if receipt["was_erased_before"] else "erased on"
    output.print_line(f"{title} {_time(receipt['erased_at'])}", style="bold")
    rows = ", ".join(f"{table} {count}" for table, count in receipt["deleted"].items())
    for title, text in (
        ("pseudonym", ", ".join(receipt["pseudonyms"])),
        ("customers", ", ".join(receipt["customers"]) or "none by id"),
        ("keyed hashes", str(len(receipt["hashes"]))),
        ("rows deleted or changed", rows or "none"),
        ("dead letters discarded", ", ".join(receipt["dead_letters_discarded"]) or "none"),
        (
            "entries on the ledger",
            f"{receipt['ledger_entries']}, written now: {receipt['ledger_entries_written']}",
        ),
        (
            "last copy in the log of what came until now gone by",
            _time(receipt["last_copy_in_the_log_gone_by"]),
        ),
    ):
        output.print_line(f"  {title}: {text}")
    output.print_line("what remains", style="bold")
    for each in receipt["remains"]:
        output.print_line(f"  {each}")


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
