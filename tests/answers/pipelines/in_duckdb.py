"""Runs the models of an answer in DuckDB: a program of its own environment, `.venv-truth`.

python in_duckdb.py DELIVERIES SHOPS AS_OF MODEL.sql prints the answer as JSON. It imports nothing
of this repository.
"""

import json
import sys
from pathlib import Path

import duckdb

SQL = Path(__file__).parent / "sql"


def main(deliveries: str, shops: str, as_of: str, model: str) -> None:
    """Load the files, make the views, print their rows."""
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    database.execute(
        "CREATE TABLE deliveries AS SELECT * FROM read_json(?, format = 'newline_delimited',"
        " columns = {number: 'BIGINT', shop: 'VARCHAR', event: 'VARCHAR', received_at: 'BIGINT',"
        " body: 'JSON'})",
        [deliveries],
    )
    database.execute(
        "CREATE TABLE shops AS SELECT * FROM read_json(?, format = 'newline_delimited',"
        " columns = {key: 'VARCHAR', source: 'VARCHAR', currency: 'VARCHAR',"
        " prices_include_tax: 'BOOLEAN', counts_as_sale: 'BOOLEAN', abandon_after: 'BIGINT',"
        " expire_after: 'BIGINT'})",
        [shops],
    )
    database.execute("CREATE TABLE clock AS SELECT ?::BIGINT AS now", [int(as_of)])
    for name in ("staging.sql", model):
        database.execute((SQL / name).read_text())
    rows = {
        view: database.execute(f"SELECT {columns} FROM {view}").fetchall()  # noqa: S608 - ours
        for view, columns in (
            ("customers", "customer_key, currency, orders, net::DECIMAL(18, 4)::VARCHAR"),
            ("carts", "cart_key, what"),
            ("parts", "order_key, customer_key, currency, orders, net::DECIMAL(18, 4)::VARCHAR"),
        )
    }
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
