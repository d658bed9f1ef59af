"""Writes ``docs/dbt/models/sources.yml`` from a migrated database: ``python -m tests.tables_page``.

Every table and view that ``hookline_reader`` may read, with the COMMENTs as descriptions.
"""

import json
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import psycopg

from tests import ROOT

PROJECT = ROOT / "docs" / "dbt"
PAGE: Path = PROJECT / "models" / "sources.yml"

_HEAD = """\
# Written by `python -m tests.tables_page`: the COMMENTs of the database. Do not edit.
version: 2

sources:
  - name: hookline
    description: E-commerce webhooks as tables. They follow from the events; null = not given.
    schema: "{{ var('hookline_schema') }}"
    tables:
"""
_COLUMNS = """
    SELECT c.relname, obj_description(c.oid, 'pg_class'), a.attname,
        format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind IN ('r', 'v')
        AND a.attnum > 0 AND NOT a.attisdropped
        AND has_table_privilege('hookline_reader', c.oid, 'SELECT')
    ORDER BY c.relname, a.attnum
"""
_LOADED_AT = {
    "watermark": "at",
    "abandoned_carts": "detected_at",
    **dict.fromkeys(("orders", "carts", "customers", "subscriptions", "payments"), "appended_at"),
}
"""Table -> the column that shows when it was loaded, for ``dbt source freshness``."""


def text(connection: psycopg.Connection[Any], schema: str) -> str:
    """Return the whole file."""
    lines = []
    rows = connection.execute(_COLUMNS, [schema]).fetchall()
    for (table, comment), columns in groupby(rows, key=itemgetter(0, 1)):
        lines += [f"      - name: {table}", f"        description: {_quoted(comment)}"]
        if table in _LOADED_AT:
            lines += ["        config:", f"          loaded_at_field: {_LOADED_AT[table]}"]
        if table == "watermark":
            lines.append("          freshness: {warn_after: {count: 1, period: hour}}")
        lines.append("        columns:")
        lines += [
            f"          - {{name: {name}, data_type: {_quoted(type_)}, "
            f"description: {_quoted(meaning)}}}"
            for _, _, name, type_, meaning in columns
        ]
    return _HEAD + "\n".join(lines) + "\n"


def _quoted(comment: str | None) -> str:
    # A JSON string is a YAML string.
    return json.dumps(comment or "", ensure_ascii=False)
