"""The values at a few paths of an XML body, read without building a tree."""

from collections.abc import Collection

from defusedxml.ElementTree import DefusedXMLParser

from runtime.bodies.xml_values import ARRAY, Value, is_nil, value_of

Path = tuple[str, ...]
"""One or two element names below the root, with underscores for dashes, without namespaces."""

MAX_DEPTH, MAX_ELEMENTS = 64, 30_000
"""More than any body of a platform has."""


def values(body: bytes, wanted: Collection[Path]) -> dict[Path, Value] | None:
    """Return the value at each path that occurs; None if the body is no XML, or a bomb.

    A path that occurs twice is of a list, and has none.
    """
    scan = _Scan(wanted)
    parser = DefusedXMLParser(target=scan, forbid_dtd=True)
    try:
        parser.feed(body)
        parser.close()
    except (SyntaxError, ValueError, LookupError):  # ParseError, forbidden declarations, encodings
        return None
    return scan.found


class _Scan:
    """A parser target that keeps the wanted values only.

    Raises ValueError for a body with more depth or elements than any platform's.
    """

    def __init__(self, wanted: Collection[Path]) -> None:
        self._wanted = wanted
        self._path: list[str] = []
        self._elements = 0
        self.found: dict[Path, Value] = {}
        self._kind = ""
        self._text: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._path.append(tag.rpartition("}")[2].replace("-", "_"))
        self._elements += 1
        if len(self._path) > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise ValueError("too deep, or too many elements")
        self._text = None
        path = tuple(self._path[1:3]) if len(self._path) <= 3 else ()  # noqa: PLR2004
        if path not in self._wanted:
            return
        self._kind = attributes.get("type", "")
        if path not in self.found and self._kind != ARRAY and not is_nil(attributes):
            self._text = []
        self.found[path] = None

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, _tag: str) -> None:
        if self._text is not None:
            self.found[tuple(self._path[1:])] = value_of(self._kind, "".join(self._text))
            self._text = None
        self._path.pop()

    def close(self) -> None:
        """Do nothing; the parser requires the method."""
