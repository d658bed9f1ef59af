"""A few texts of an XML body, without a tree of the rest."""

from collections.abc import Collection

from defusedxml.ElementTree import DefusedXMLParser

Path = tuple[str, ...]
"""Names below the root, at most two of them; dashes are underscores."""

MAX_DEPTH, MAX_ELEMENTS = 64, 30_000
"""More than any platform's body has."""


def texts(body: bytes, wanted: Collection[Path]) -> dict[Path, str] | None:
    """The first text at each path that is told; None where the body is no XML, or a bomb."""
    scan = _Scan(wanted)
    parser = DefusedXMLParser(target=scan, forbid_dtd=True)
    try:
        parser.feed(body)
        parser.close()
    except (SyntaxError, ValueError, LookupError):  # ParseError, forbidden parts, encodings
        return None
    return scan.told


class _Scan:
    """An XML target that keeps the few texts wanted and builds no tree.

    Raises ValueError of a body that is deeper or of more parts than any platform's.
    """

    def __init__(self, wanted: Collection[Path]) -> None:
        self._wanted = wanted
        self.path: list[str] = []
        self._elements = 0
        self.told: dict[Path, str] = {}
        self._text: list[str] | None = None

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        self.path.append(tag.replace("-", "_"))
        self._elements += 1
        if len(self.path) > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise ValueError("too deep, or too many elements")
        inside = tuple(self.path[1:3]) if len(self.path) <= 3 else ()  # noqa: PLR2004
        self._text = [] if inside in self._wanted and inside not in self.told else None

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, _tag: str) -> None:
        if self._text is not None:
            self.told[tuple(self.path[1:])] = "".join(self._text).strip()
            self._text = None
        self.path.pop()

    def close(self) -> None:
        """Nothing is left to do."""
