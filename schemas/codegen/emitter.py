"""Lines of Python made from a schema, compiled once.

What an interpreter would ask each time stands in the code instead. Only what our schemas use
is known.
"""

from typing import Any

Node = Any
"""A schema, parsed from JSON: a name, an object, or a list of a union's branches."""


class Source:
    """Lines, names that stand for constants, and local names that are used once."""

    def __init__(self, **constants: Any) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = constants
        self.named: dict[str, dict[str, Any]] = {}
        self._count = 0

    def add(self, depth: int, *lines: str) -> None:
        """Lines at that depth of a function's body."""
        self.lines += [f"{'    ' * (depth + 1)}{line}" for line in lines]

    def name(self) -> str:
        """A name that nothing has yet."""
        self._count += 1
        return f"v{self._count}"

    def constant(self, value: Any) -> str:
        """The name by which the code knows a value."""
        name = f"C_{len(self.constants)}"
        self.constants[name] = value
        return name

    def resolved(self, node: Node) -> Node:
        """A node without names in it: types are written out where they first stand."""
        if isinstance(node, str):
            return self.named.get(node, node)
        if isinstance(node, dict) and node["type"] in ("record", "enum"):
            names = (node["name"], f"{node.get('namespace', 'hookline')}.{node['name']}")
            self.named |= dict.fromkeys(names, node)
        return node

    def compiled(self, head: str, file: str) -> Any:
        """The function that ``head`` begins."""
        text = "\n".join([head, *self.lines])
        exec(compile(text, file, "exec"), self.constants)  # noqa: S102 - made from our own schemas
        return self.constants[head.partition("(")[0].removeprefix("def ")]


def kind_of(node: Node) -> str:
    """What a resolved node is: its logical type, ``optional``, or its type."""
    if isinstance(node, list):
        if len(node) != 2 or node[0] != "null":  # noqa: PLR2004 - null, and what else it may be
            raise ValueError(f"a union of other than null and one type: {node}")
        return "optional"
    if isinstance(node, dict):
        kind = node["type"]
        return str(node.get("logicalType", kind if isinstance(kind, str) else kind_of(kind)))
    return str(node)
