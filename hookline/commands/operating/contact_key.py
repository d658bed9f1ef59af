"""``hookline accept-key``: another key of e-mail hashes from here on."""

import asyncio
from typing import Annotated

import typer

from hookline.commands.confirm import confirm
from hookline.commands.options import DataOption
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.stack_address import find_stack


def accept_key(
    instead_of: Annotated[
        str, typer.Option(help="Fingerprint of the key in force, as `hookline doctor` shows it.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    data: DataOption = None,
) -> None:
    """Let processors start with another HOOKLINE_CONTACT_KEY, after the old one was lost.

    Events that exist keep their hashes: a customer seen before and after is two persons
    (person_key) in the tables, unless the platform's own customer id links them. Stop all
    processors first. The change is recorded on hookline.decisions for ever.

    Examples:
      HOOKLINE_CONTACT_KEY=$NEW hookline accept-key --instead-of 5f0c2a9be1d34c77
    """
    from hookline.audit.key_change import accept
    from runtime import contact_key

    settings = find_stack(data).settings
    settings.require_contact_key()
    ours = contact_key.fingerprint(settings.contact_key)
    found = asyncio.run(contact_key.recorded(settings))
    if found == ours:
        output.out.print(f"the key {ours} is in force already")
        return
    if found != instead_of:
        raise CommandError(
            f"the key in force is {found}, not {instead_of}: `hookline doctor` shows it"
            if found
            else "no key is in force yet: the first processor that starts records its own"
        )
    if not yes:
        confirm(
            f"E-mail hashes change from key {found} to {ours}, and known customers become new"
            " persons in the tables. Go on?"
        )
    asyncio.run(accept(settings, found))
    output.out.print(f"the key {ours} is in force: start the processors with it")
