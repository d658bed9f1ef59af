"""JSON bodies with texts that no parser or table takes, made readable: for keys and events alike.

NUL, other control characters and half a surrogate pair become U+FFFD; a byte order mark at the
beginning of the body or of a text goes. Nothing else changes, and most bodies not at all.
"""

import re

_BOM = b"\xef\xbb\xbf"
_BACKSLASH = 92
_REPLACEMENT = rb"\ufffd"
_UNWANTED = re.compile(rb'\\u00[01]|\\[bf]|"\\u[fF][eE][fF][fF]')
_ESCAPE = re.compile(rb'"\\u[fF][eE][fF][fF]|\\u00[01][0-9a-fA-F]|\\.', re.DOTALL)
_MARK = re.compile(rb'(\\.)|"\xef\xbb\xbf', re.DOTALL)
_KEPT = frozenset({rb"\u0009", rb"\u000a", rb"\u000d"})
_CONTROLS = frozenset({rb"\b", rb"\f"})
# Possessive and with an optional end, so that an open text takes no quadratic time.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BROKEN = re.compile(rb"[\x00-\x1f]|\\u[dD][89a-fA-F]")
_PART = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.|(?P<control>[\x00-\x1f])",
    re.DOTALL,
)
_BLANKS = {b"\t": rb"\t", b"\n": rb"\n", b"\r": rb"\r"}


def cleaned(body: bytes) -> bytes:
    """Return the body without byte order marks and escaped control characters."""
    if body[:3] == _BOM:
        body = body[3:]
    # One byte is found faster than six, and most bodies have no backslash and are ASCII.
    if _BACKSLASH in body and _UNWANTED.search(body):
        body = _ESCAPE.sub(_escape, body)
    if not body.isascii() and _BOM in body:
        body = _MARK.sub(lambda match: match[1] or b'"', body)
    return body


def _escape(match: re.Match[bytes]) -> bytes:
    spelled = match[0]
    if spelled[:1] == b'"':
        return b'"'
    is_other = len(spelled) == len(rb"\u") and spelled not in _CONTROLS
    return spelled if is_other or spelled.lower() in _KEPT else _REPLACEMENT


def repaired(body: bytes) -> bytes:
    """Return a body that a parser refused without what is wrong inside its texts.

    Bare control characters and halves of surrogate pairs in texts are replaced, NULs around the
    document go. Each change leaves a body that any JSON parser reads alike.
    """
    return _TEXT.sub(_text, body.strip(b"\x00"))


def _text(match: re.Match[bytes]) -> bytes:
    text = match[0]
    return _PART.sub(_part, text) if _BROKEN.search(text) else text


def _part(match: re.Match[bytes]) -> bytes:
    if match["half"]:
        return _REPLACEMENT
    control = match["control"]
    return _BLANKS.get(control, _REPLACEMENT) if control else match[0]
