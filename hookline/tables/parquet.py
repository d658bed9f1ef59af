"""Writes Parquet files: amounts as decimals, instants in UTC with microseconds."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from hookline.console.errors import CommandError
from hookline.tables.export import Column, OpenFile, Relation, Row, WriteRows, json_text, seconds

_PRECISION, _SCALE = 38, 4
"""For numeric columns without bounds: sums, and averages rounded to four decimals."""

_TYPES: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float8": pa.float64(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "interval": pa.decimal128(18, 6),
}
_CONVERT: dict[str, Callable[[Any], Any]] = {
    "interval": seconds,
    "jsonb": json_text,
    "_text": json_text,
    "uuid": str,
}


def _type(column: Column) -> pa.DataType:
    if column.kind == "numeric":
        return pa.decimal128(
            column.precision or _PRECISION, _SCALE if column.scale is None else column.scale
        )
    return _TYPES.get(column.kind, pa.string())


def _record_batch(relation: Relation, schema: pa.Schema, rows: Sequence[Row]) -> pa.RecordBatch:
    columns = zip(relation.columns, zip(*rows, strict=True), strict=True)
    arrays = [_array(relation, column, values) for column, values in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(relation: Relation, column: Column, values: Sequence[Any]) -> pa.Array:
    if (convert := _CONVERT.get(column.kind)) is not None:
        values = [None if value is None else convert(value) for value in values]
    try:
        return pa.array(values, _type(column))
    except pa.ArrowInvalid as error:
        raise CommandError(
            f"{relation.name}.{column.name} does not fit a Parquet file ({error}):"
            " export it with --format csv"
        ) from None


@contextmanager
def _open_parquet(path: Path, relation: Relation) -> Iterator[WriteRows]:
    schema = pa.schema([(column.name, _type(column)) for column in relation.columns])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield lambda rows: writer.write_batch(_record_batch(relation, schema, rows))


PARQUET: tuple[str, OpenFile] = ("parquet", _open_parquet)
