"""Emits Python code from a schema and compiles it once.

What an interpreter of the schema would decide for every record is decided when the code is
emitted. Supports only what our schemas use.
"""

from typing import Any

Node = Any
"""A schema, parsed from JSON: a name, an object, or a list of a union's branches."""


class CodeEmitter:
    """Collects lines of code, named constants and unused local names."""

    def __init__(self, **constants: Any) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = constants
        self.types: dict[str, dict[str, Any]] = {}
        self._count = 0

    def add(self, depth: int, *lines: str) -> None:
        """Append lines at that depth of the function's body."""
        self.lines += [f"{'    ' * (depth + 1)}{line}" for line in lines]

    def name(self) -> str:
        """Return an unused local name."""
        self._count += 1
        return f"v{self._count}"

    def constant(self, value: Any) -> str:
        """Bind a value to a global name of the code, and return the name."""
        name = f"C_{len(self.constants)}"
        self.constants[name] = value
        return name

    def resolved(self, node: Node) -> Node:
        """Replace a type's name by its definition, which precedes every use of the name."""
        if isinstance(node, str):
            return self.types.get(node, node)
        if isinstance(node, dict) and node["type"] in ("record", "enum"):
            names = (node["name"], f"{node.get('namespace', 'hookline')}.{node['name']}")
            self.types |= dict.fromkeys(names, node)
        return node

    def compiled(self, head: str, file: str) -> Any:
        """Compile the collected lines as the body of ``head``, and return the function."""
        text = "\n".join([head, *self.lines])
        exec(compile(text, file, "exec"), self.constants)  # noqa: S102 - generated from our own schemas
        return self.constants[head.partition("(")[0].removeprefix("def ")]


def kind_of(node: Node) -> str:
    """Return the kind of a resolved node: its logical type, ``optional``, or its type."""
    if isinstance(node, list):
        if len(node) != 2 or node[0] != "null":  # noqa: PLR2004 - null and one type
            raise ValueError(f"only unions of null and one type are supported: {node}")
        return "optional"
    if isinstance(node, dict):
        kind = node["type"]
        return str(node.get("logicalType", kind if isinstance(kind, str) else kind_of(kind)))
    return str(node)
