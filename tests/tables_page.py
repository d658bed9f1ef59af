"""Writes the data dictionary of ``docs/tables.md``: ``python -m tests.tables_page``.

It consists of the COMMENTs of a migrated database. The rest of the page holds ready queries,
which a test runs. The sources of the dbt project are written with it.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from hookline.local.process import free_port
from hookline.local.servers.postgres import Postgres
from runtime.settings import Settings
from sinks.postgres.migrate import migrate
from sinks.rebuild.table_digest import DERIVED
from tests import dbt_sources

PAGE = Path(__file__).parents[1] / "docs" / "tables.md"
BEGIN, END = "<!-- dictionary: begin -->", "<!-- dictionary: end -->"
FIRST = ("abandoned_carts", "customer_lifetime_value")

_COLUMNS = """
    SELECT c.relname, c.relkind::text, obj_description(c.oid, 'pg_class'), a.attname,
        format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(c.oid, a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind IN ('r', 'v')
        AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname, a.attnum
"""
_QUERY = re.compile(r"^### (\d+)\. (.+?)\n(.*?)```sql\n(.+?)```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Query:
    """A ready query of the page."""

    number: int
    title: str
    sql: str


def queries() -> list[Query]:
    """Return the ready queries in order."""
    matches = _QUERY.finditer(PAGE.read_text())
    return [Query(int(match[1]), match[2], match[4]) for match in matches]


def dictionary(connection: psycopg.Connection[Any], schema: str) -> str:
    """Return the text between the markers."""
    kinds: dict[str, list[str]] = {"The two tables": [], "Views": [], "Working tables": []}
    kinds["What the sinks and operators keep"] = []
    tables: dict[str, list[Any]] = {}
    for row in connection.execute(_COLUMNS, [schema]):
        tables.setdefault(row[0], []).append(row)
    for name, rows in tables.items():
        if name in FIRST:
            heading = "The two tables"
        elif rows[0][1] == "v":
            heading = "Views"
        elif name in DERIVED and name != "sink_rejects":
            heading = "Working tables"
        else:
            heading = "What the sinks and operators keep"
        kinds[heading].append(name)
    lines = [""]
    for heading, names in kinds.items():
        lines += [f"## {heading}", ""]
        for name in names:
            lines += _table(name, tables[name])
    return "\n".join(lines)


def _table(name: str, rows: list[Any]) -> Iterator[str]:
    yield f"### {name}"
    yield _cell(rows[0][2])
    yield ""
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for _, kind, _, column, type_, is_required, comment in rows:
        may = "" if is_required or kind == "v" else ", may be null"
        yield f"| `{column}` | {_type(type_)}{may} | {_cell(comment)} |"
    yield ""


def _type(name: str) -> str:
    return name.replace("timestamp with time zone", "timestamptz")


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")


def page(connection: psycopg.Connection[Any], schema: str) -> str:
    """Return the whole page with a dictionary that matches the database."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + dictionary(connection, schema) + END + rest.partition(END)[2]


def main() -> int:
    """Rewrite the page and the sources, with a temporary PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server runs as another user
        server = Postgres(Path(folder) / "postgres", free_port())
        server.start()
        try:
            settings = Settings(database_url=server.url)
            migrate(settings)
            with psycopg.connect(server.url) as connection:
                PAGE.write_text(page(connection, settings.sql_schema))
                dbt_sources.PAGE.write_text(dbt_sources.text(connection, settings.sql_schema))
        finally:
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
