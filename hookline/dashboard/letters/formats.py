"""Texts of several lines, as the pages of dead letters write them; each is escaped here."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup, escape

from hookline.console.output import json_default
from hookline.refusals.broken_body import failing_byte
from runtime.escaping import json_text, terminal_text


def lines(text: str | None) -> Markup:
    """A text with its lines; what steers a terminal or turns the direction is escaped."""
    return escape(terminal_text(text or ""))


def document(value: Any) -> Markup:
    """A document as indented JSON."""
    text = json.dumps(value, default=json_default, ensure_ascii=False, indent=2)
    return escape(json_text(text))


def lit_lines(given: Iterable[Mapping[str, Any]]) -> Markup:
    """The lines of a body, those that are lit as marks."""
    made = []
    for line in given:
        text = json_text(line["text"])
        margin = text[: len(text) - len(text.lstrip(" "))] if line["is_lit"] else ""
        shown = escape(text.removeprefix(margin))
        lit = Markup("<mark>{}</mark>").format(shown) if line["is_lit"] else shown
        made.append(escape(margin) + lit)
    return Markup("\n").join(made)


def field(path: str) -> str:
    """Where a letter was refused: its field's path, a byte of its body, or the whole of it."""
    if not path:
        return "the whole delivery"
    at = failing_byte(path)
    if at is not None:
        return f"byte {at:,}"
    return "a byte of the body" if path == "@" else path


FILTERS = {each.__name__: each for each in (lines, document, lit_lines, field)}
"""Filters of the templates, by name."""
