"""Any canonical record that its schema can hold, for property tests."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from schemas import events
from schemas.codec import schema
from schemas.codegen.emitter import CodeEmitter, kind_of
from schemas.events import RECORDS

PLACES = Decimal("0.0001")
AMOUNTS = st.integers(1 - 10**18, 10**18 - 1).map(lambda unscaled: Decimal(unscaled) * PLACES)
TEXT = st.text(max_size=5) | st.builds("é".__mul__, st.integers(0, 700))


def values(node: Any, source: CodeEmitter) -> st.SearchStrategy[Any]:
    """Anything that a node can hold, as our records hold it."""
    node = source.resolved(node)
    match kind_of(node):
        case "optional":
            return st.none() | values(node[1], source)
        case "array":
            return st.lists(values(node["items"], source), max_size=3).map(tuple)
        case "map":
            return st.dictionaries(TEXT, values(node["values"], source), max_size=3)
        case "enum":
            return st.sampled_from(list(vars(events)[node["name"]]))
        case "record":
            told = {f["name"]: values(f["type"], source) for f in node["fields"]}
            return st.builds(vars(events)[node["name"]], **told)
    return {
        "string": TEXT,
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "timestamp-micros": st.integers(0, 2**53) | st.integers(-(2**63), 2**63 - 1),
        "decimal": AMOUNTS,
    }[kind_of(node)]


RECORDS_OF = {name: values(schema(name), CodeEmitter()) for name in RECORDS}
