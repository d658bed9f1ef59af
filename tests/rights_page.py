"""Writes the table of rights in ``docs/operating.md``: ``python -m tests.rights_page``."""

import sys
from collections.abc import Iterator

from hookline.acls.rights import EVERY_TOPIC, GRANTS, Grant
from schemas.topics import CANONICAL, Group, Topic
from tests import ROOT

PAGE = ROOT / "docs" / "operating.md"
BEGIN, END = "<!-- rights: begin -->", "<!-- rights: end -->"


def lines() -> Iterator[str]:
    """The rows, a principal's name in its first one."""
    yield ""
    yield "| who | right | on | for |"
    yield "|---|---|---|---|"
    for principal, grants in GRANTS.items():
        for number, grant in enumerate(grants):
            who = "" if number else f"`{principal}` "
            yield f"| {who}| {', '.join(grant.operations)} | {_on(grant)} | {grant.reason} |"
        if not grants:
            yield f"| `{principal}` | none | | PostgreSQL only |"
    yield ""


def _on(grant: Grant) -> str:
    if not grant.on:
        return "the cluster"
    if grant.on == (EVERY_TOPIC,):
        return "all topics `hookline.*`"
    rest = list(grant.on)
    names = []
    if set(CANONICAL) <= set(grant.on):
        names = ["all canonical topics"]
        rest = [each for each in grant.on if each not in CANONICAL]
    for each in rest:
        if isinstance(each, Group):
            names.append(f"the group `{each}`")
        elif isinstance(each, Topic):
            names.append(f"`{each.name}`")
    return ", ".join(names)


def page() -> str:
    """Return the whole page with a table that matches the code."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + "\n".join(lines()) + END + rest.partition(END)[2]


def main() -> int:
    """Rewrite the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
