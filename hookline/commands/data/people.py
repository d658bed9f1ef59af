"""``hookline people``: forget, allow, verify, export; and another contact key."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from hookline.commands.confirm import confirm
from hookline.commands.data import people_screens as screens
from hookline.commands.options import DataOption, JsonOption
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.stack_address import StackAddress, data_folder, find_stack

group = typer.Typer(
    help="One person: forget, allow again, verify, export; another contact key.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

CustomerOption = Annotated[
    str | None,
    typer.Option("--customer", metavar="KEY", help="The customer: source/shop/customer:id."),
]
EmailOption = Annotated[
    str | None,
    typer.Option(
        "--email",
        metavar="ADDRESS",
        help="The e-mail address; - reads it from standard input, where no process list shows it.",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

_NEXT = (
    (
        "restart all processors with both keys: the new one in HOOKLINE_CONTACT_KEY, the one"
        " before in HOOKLINE_CONTACT_KEY_BEFORE; give both to commands that take --email"
    ),
    "run this command once more: customers who came meanwhile get their new hash",
)
_LATER = (
    ", when today's last delivery is gone from the log; a guest of before who comes back after you"
    " dropped the old key is a new person"
)


@group.command()
def forget(
    customer: CustomerOption = None,
    email: EmailOption = None,
    because: Annotated[str, typer.Option("--because", help="The reason; write no names.")] = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Erase a person, in all shops: contact data goes, orders stay under a random pseudonym.

    The ledger (hookline.erasures) is written first; the sinks then change the tables, and the
    receipt lists them. Killed or timed out, run it again: it goes on waiting. Needs Kafka of the
    operator and PostgreSQL of hookline_operator; --email needs HOOKLINE_CONTACT_KEY.

    Examples:
      hookline people forget --customer run-free/lakeside/customer:1 --because 'request of 3 May'
      hookline people forget --email - --yes --json < address.txt
    """
    email = _address(customer, email)
    from hookline.people import erase
    from hookline.people.find import Who

    stack, who = find_stack(data), Who(customer, email)
    with output.progress_bar(shown=not as_json) as progress:
        planned = asyncio.run(erase.plan(stack, who, because, progress))
    if planned.written and not yes:
        screens.show_plan(planned)
        confirm("Erase this person for good?")
    with output.progress_bar(shown=not as_json) as progress:
        done = asyncio.run(erase.carry_out(stack, planned, progress))
    receipt = {**done, "remains": list(screens.REMAINS)}
    if as_json:
        output.print_json(receipt)
    else:
        screens.show_receipt(receipt)


@group.command()
def allow(
    customer: CustomerOption = None,
    email: EmailOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Let an erased person be a customer again: later deliveries keep hash and contact data.

    What was received before stays under the pseudonym.

    Examples:
      hookline people allow --customer run-free/lakeside/customer:1
      hookline people allow --email - < address.txt
    """
    email = _address(customer, email)
    from hookline.people import erase
    from hookline.people.find import Who

    entries = asyncio.run(erase.allow(find_stack(data), Who(customer, email)))
    if as_json:
        output.print_json({"ledger_entries": entries})
    elif entries:
        output.print_line(f"allowed again: {entries} entries of the ledger closed")
    else:
        output.print_line("nothing to allow: the ledger has no open erasure of this person")


@group.command()
def verify(
    customer: CustomerOption = None,
    email: EmailOption = None,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="A name to look for: 'first last'.")
    ] = None,
    phone: Annotated[
        list[str] | None, typer.Option("--phone", help="A telephone number to look for.")
    ] = None,
    address: Annotated[
        list[str] | None, typer.Option("--address", help="A street with number to look for.")
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Look for a person in all topics, tables, the state folder and logs; list what is where.

    Exits with 1 if personal data is found; hashes and customer keys are pseudonyms. Both options
    can be given: of an erased person only the operator knows which address a customer had. Needs
    HOOKLINE_CONTACTS_READER_URL too. The searched values are never printed.

    Examples:
      hookline people verify --customer run-free/lakeside/customer:1
      hookline people verify --email - --name 'Anna Berg' --phone '+1 555 0100' < address.txt
      hookline people verify --email - --json < address.txt | jq '.[] | select(.is_personal)'
    """
    email = _address(customer, email, may_be_both=True)
    stack = find_stack(data)
    logs = _logs(data, stack)
    from hookline.people import verify as looking
    from hookline.people.find import Who

    given = looking.Given(name or (), phone or (), address or ())
    with output.progress_bar(shown=not as_json, eta=True) as progress:
        looked = asyncio.run(looking.look_for(stack, Who(customer, email), given, logs, progress))
    found, kinds = looked.findings, looked.kinds
    if as_json:
        output.print_json(found)
    else:
        columns = ("what", "location", "count", "first", "stays")
        for is_personal, title in ((True, "personal data"), (False, "pseudonyms")):
            rows = [each for each in found if each["is_personal"] is is_personal]
            rows = [{**each, "first": ", ".join(each["first"])} for each in rows]
            output.print_records(columns, rows, title, f"no {title} found")
        output.print_line(screens.names_of(looked.person))
        output.print_line(f"looked for: {', '.join(kinds)}")
    if "e-mail address" not in kinds:
        output.print_message(
            "no e-mail address of this person is known, so none was looked for: give --email too"
        )
    if any(each["is_personal"] for each in found):
        raise typer.Exit(1)


@group.command()
def export(
    customer: CustomerOption = None,
    email: EmailOption = None,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to write.")] = Path(
        "person"
    ),
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Write everything that is held of a person: person.json, and person.html to read.

    Rows of all tables, events, and deliveries as long as the log has them. What names the person
    in data of others is listed by location, without content. Only you can read the files; an
    earlier export is not overwritten. Needs HOOKLINE_CONTACTS_READER_URL too.

    Examples:
      hookline people export --customer run-free/lakeside/customer:1 --to anna
      hookline people export --email - --to anna < address.txt
    """
    email = _address(customer, email)
    from hookline.people.export import write
    from hookline.people.find import Who

    with output.progress_bar(shown=not as_json, eta=True) as progress:
        work = write(find_stack(data), Who(customer, email), to, progress)
        written = asyncio.run(work)
    if as_json:
        output.print_json(written)
        return
    for path in written["files"]:
        output.print_line(path)
    output.print_line(
        f"rows: {written['rows']}, records: {written['records']},"
        f" named in data of others: {written['named_in_data_of_others']}"
    )


@group.command("rotate-key")
def rotate_key(
    yes: YesOption = False, as_json: JsonOption = False, data: DataOption = None
) -> None:
    """Give every known address the hash of a new contact key, without merging or splitting anyone.

    HOOKLINE_CONTACT_KEY is the new key, HOOKLINE_CONTACT_KEY_BEFORE the one in force. Killed, run
    it again. Ids that are addresses (hashed-…) change with the key. Needs
    HOOKLINE_CONTACTS_READER_URL too.

    Examples:
      HOOKLINE_CONTACT_KEY_BEFORE=$OLD HOOKLINE_CONTACT_KEY=$NEW hookline people rotate-key
    """
    from hookline.people import rotate

    stack = find_stack(data)
    planned = asyncio.run(rotate.plan(stack))
    if not yes:
        confirm(
            f"{len(planned.entries)} addresses get the hash of the new key;"
            f" {len(planned.written)} of them are not on the ledger yet. Go on?"
        )
    with output.progress_bar(shown=not as_json) as progress:
        done = asyncio.run(rotate.carry_out(stack, planned, progress))
    if as_json:
        output.print_json(done)
        return
    output.print_line(f"addresses: {done['addresses']}, entries written: {done['written']}")
    output.print_line(f"the key {done['fingerprint']} is in force. Next:")
    for number, step in enumerate(_NEXT, start=1):
        output.print_line(f"  {number}. {step}")
    output.print_line(
        f"  3. keep both keys until {done['both_keys_until']:%Y-%m-%d} at least{_LATER}"
    )


def _address(customer: str | None, email: str | None, *, may_be_both: bool = False) -> str | None:
    """Return the address, from standard input where it is -. Raises CommandError."""
    if (customer is None) == (email is None) and not (may_be_both and customer):
        raise CommandError("name the person: --customer KEY or --email ADDRESS (- is stdin)")
    if email != "-":
        return email
    given = typer.get_text_stream("stdin").readline().strip()
    if not given:
        raise CommandError("standard input has no address: write it as the first line")
    return given


def _logs(data: Path | None, stack: StackAddress) -> Path | None:
    """Return the folder of a local stack's logs, if it is the stack."""
    folder = data_folder(data).resolve()
    is_local = Path(stack.settings.state_dir).resolve().parent == folder
    return folder / "logs" if is_local else None
