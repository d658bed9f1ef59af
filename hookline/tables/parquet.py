"""Parquet files of the tables: amounts as decimals, instants in UTC with microseconds."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from hookline.errors import CommandError
from hookline.tables.export import Column, Opens, Relation, Row, Sheet, document, seconds

_DIGITS, _PLACES = 38, 4
"""Of an amount whose column has no bounds: sums, and averages rounded to four places."""

_TYPES: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float8": pa.float64(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "interval": pa.decimal128(18, 6),
}
_MADE: dict[str, Callable[[Any], Any]] = {
    "interval": seconds,
    "jsonb": document,
    "_text": document,
    "uuid": str,
}


def _type(column: Column) -> pa.DataType:
    if column.kind == "numeric":
        return pa.decimal128(
            column.precision or _DIGITS, _PLACES if column.scale is None else column.scale
        )
    return _TYPES.get(column.kind, pa.string())


class _Parquet:
    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema, relation: Relation) -> None:
        self._writer, self._schema, self._relation = writer, schema, relation

    def write(self, rows: Sequence[Row]) -> None:
        columns = [
            self._array(column, values)
            for column, values in zip(self._relation.columns, zip(*rows, strict=True), strict=True)
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def _array(self, column: Column, values: Sequence[Any]) -> pa.Array:
        if (make := _MADE.get(column.kind)) is not None:
            values = [None if value is None else make(value) for value in values]
        try:
            return pa.array(values, _type(column))
        except pa.ArrowInvalid as error:
            raise CommandError(
                f"{self._relation.name}.{column.name} does not fit a Parquet file ({error}):"
                " export it with --format csv"
            ) from None


@contextmanager
def _open_parquet(path: Path, relation: Relation) -> Iterator[Sheet]:
    schema = pa.schema([(column.name, _type(column)) for column in relation.columns])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield _Parquet(writer, schema, relation)


PARQUET: tuple[str, Opens] = ("parquet", _open_parquet)
