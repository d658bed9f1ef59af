"""Makes text that strangers wrote harmless for terminals: what steers one is shown as an escape."""

import unicodedata


def terminal_text(text: str) -> str:
    """Replace what is not shown, except newlines, by escape sequences.

    So are control characters (also C1 and DEL), those of the direction of writing, characters
    without width, and separators of lines and paragraphs.
    """
    if text.isprintable():
        return text
    return "".join(each if _is_shown(each) else _escape(each) for each in text)


def one_line(text: str) -> str:
    """Escape newlines too."""
    return terminal_text(text).replace("\n", "\\n")


def json_text(text: str) -> str:
    """Escape in a JSON document what JSON allows in strings, and terminals obey.

    A reader of the document gets the same values.
    """
    if text.isprintable():
        return text
    return "".join(each if _is_shown(each) else _json_escape(each) for each in text)


def _is_shown(character: str) -> bool:
    return (
        character.isprintable()
        or character == "\n"
        or unicodedata.category(character) == "Zs"  # blanks of any width
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True)
    )
