"""The texts at a few paths of an XML body, read without building a tree."""

from collections.abc import Collection

from defusedxml.ElementTree import DefusedXMLParser

Path = tuple[str, ...]
"""One or two element names below the root, with underscores for dashes, without namespaces."""

MAX_DEPTH, MAX_ELEMENTS = 64, 30_000
"""More than any body of a platform has."""


def texts(body: bytes, wanted: Collection[Path]) -> dict[Path, str] | None:
    """Return the first text at each path that occurs; None if the body is no XML, or a bomb."""
    scan = _Scan(wanted)
    parser = DefusedXMLParser(target=scan, forbid_dtd=True)
    try:
        parser.feed(body)
        parser.close()
    except (SyntaxError, ValueError, LookupError):  # ParseError, forbidden declarations, encodings
        return None
    return scan.found


class _Scan:
    """A parser target that keeps the wanted texts only.

    Raises ValueError for a body with more depth or elements than any platform's.
    """

    def __init__(self, wanted: Collection[Path]) -> None:
        self._wanted = wanted
        self.path: list[str] = []
        self._elements = 0
        self.found: dict[Path, str] = {}
        self._text: list[str] | None = None

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        self.path.append(tag.rpartition("}")[2].replace("-", "_"))
        self._elements += 1
        if len(self.path) > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise ValueError("too deep, or too many elements")
        path = tuple(self.path[1:3]) if len(self.path) <= 3 else ()  # noqa: PLR2004
        self._text = [] if path in self._wanted and path not in self.found else None

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, _tag: str) -> None:
        if self._text is not None:
            self.found[tuple(self.path[1:])] = "".join(self._text).strip().removeprefix("\ufeff")
            self._text = None
        self.path.pop()

    def close(self) -> None:
        """Do nothing; the parser requires the method."""
