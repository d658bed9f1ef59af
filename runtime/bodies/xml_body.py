"""XML bodies that no parser takes, made readable: for keys and events alike.

What XML 1.0 forbids in a text, as a bare byte or as a reference, becomes U+FFFD; two references
that are a surrogate pair become their character. An ampersand that begins no reference is one
of the text. Blanks and control characters around the document go. Nothing else changes: names,
structure, declarations and entities are left to the parser.
"""

import re
from collections.abc import Iterator

_AROUND = bytes(range(0x21))
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_CDATA, _CDATA_END = b"<![CDATA[", b"]]>"
_ENCODING = re.compile(rb"<\?xml[^>]{0,100}encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_NO_CHARACTER = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_HALF = rb"&#(?:[xX]0{0,8}[dD][89a-fA-F][0-9a-fA-F]{2}|0{0,8}5[5-7][0-9]{3});"
_REFERENCE = re.compile(
    rb"(?P<pair>%b%b)|&#(?:[xX](?P<hex>[0-9a-fA-F]{1,40})|(?P<decimal>[0-9]{1,40}));"
    rb"|&(?!#[0-9xX]|[A-Za-z_:][A-Za-z0-9_:.-]{0,100};)" % (_HALF, _HALF)
)
_REPLACEMENT = "\ufffd".encode()
_AS_REFERENCE = b"&#xFFFD;"
_PLANES = 0x110000
_HIGH, _LOW, _AFTER_LOW, _BEYOND_BMP = 0xD800, 0xDC00, 0xE000, 0x10000
_CONTROLS_ALLOWED = frozenset({0x9, 0xA, 0xD})
_BLANK = 0x20
_NO_CHARACTERS = frozenset({0xFFFE, 0xFFFF})


def repaired(body: bytes) -> bytes:
    """Return a body that a parser refused without what is wrong inside its texts."""
    if body[:2] in _UTF_16:
        return body
    body = body.removeprefix(_BOM).strip(_AROUND)
    given = _ENCODING.match(body)
    is_utf_8 = given is None or given[1].lower().replace(b"-", b"") in (b"utf8", b"usascii")
    wrong, instead = (_NO_CHARACTER, _REPLACEMENT) if is_utf_8 else (_CONTROL, _AS_REFERENCE)
    body = wrong.sub(instead, body)
    return b"".join(_parts(body)) if b"&" in body else body


def _parts(body: bytes) -> Iterator[bytes]:
    """Yield the body with its references repaired, but not in CDATA, where there are none."""
    at = 0
    while (start := body.find(_CDATA, at)) >= 0:
        end = body.find(_CDATA_END, start)
        if end < 0:
            break
        yield _REFERENCE.sub(_reference, body[at:start])
        yield body[start:end]
        at = end
    yield _REFERENCE.sub(_reference, body[at:])


def _reference(match: re.Match[bytes]) -> bytes:
    if match["pair"]:
        high, low = (_number(half[2:]) for half in match["pair"].split(b";")[:2])
        if high < _LOW <= low:
            return b"&#%d;" % (_BEYOND_BMP + ((high - _HIGH) << 10) + low - _LOW)
        return _AS_REFERENCE * 2
    if match[0] == b"&":
        return b"&amp;"
    return match[0] if _is_character(_number(match[0][2:-1])) else _AS_REFERENCE


def _number(spelled: bytes) -> int:
    return int(spelled[1:], 16) if spelled[:1] in b"xX" else int(spelled)


def _is_character(number: int) -> bool:
    """Return whether XML 1.0 allows a character."""
    if number < _BLANK:
        return number in _CONTROLS_ALLOWED
    is_half = _HIGH <= number < _AFTER_LOW
    return number < _PLANES and not is_half and number not in _NO_CHARACTERS
