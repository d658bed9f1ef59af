"""Recognises one person in any text: personal data in its spellings, and pseudonyms."""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from hookline.people.person import Person

_LAYERS = 3
"""Escapes within escapes that are resolved: JSON in a query in JSON."""
_MOST = 24
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_SURROGATE = re.compile("[\ud800-\udfff]")


def normal(text: str) -> str:
    """Return a text without the differences of capitals and of compatible letters."""
    folded = (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
    return folded if folded.isascii() else unicodedata.normalize("NFKC", folded)


def text_of(value: bytes) -> str:
    """Decode bytes of unknown kind: UTF-8, else each byte a character."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def readings(text: str) -> Iterator[str]:
    """Yield a text as it is, then with its escapes resolved in every order, each once."""
    seen, layer = {text}, [text]
    yield text
    for _ in range(_LAYERS):
        following: list[str] = []
        for each in layer:
            for mark, decode in _DECODERS:
                if mark not in each or (resolved := decode(each)) in seen:
                    continue
                if len(seen) == _MOST:
                    return
                seen.add(resolved)
                following.append(resolved)
                yield resolved
        layer = following


def _without_backslashes(text: str) -> str:
    resolved = _ESCAPE.sub(_resolved, text)
    if _SURROGATE.search(resolved):
        units = resolved.encode("utf-16-le", "surrogatepass")
        return units.decode("utf-16-le", "replace")
    return resolved


def _resolved(match: re.Match[str]) -> str:
    if match[1] is not None:
        return chr(int(match[1], 16))
    return _CONTROLS.get(match[2], match[2])


_DECODERS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("\\", _without_backslashes),
    ("%", unquote),
    ("&", html.unescape),
)
"""What a text holds that has such escapes, and what resolves them."""

_FEWEST_DIGITS = 6
_NATIONAL = 9
"""Last digits of a telephone number that stay the same with and without a country code."""
_SEPARATORS = " ().-/+\u00a0"
_NO_SEPARATORS = str.maketrans("", "", _SEPARATORS)
_BETWEEN = r"[\W_]{1,3}"
_BETWEEN_NAMES = r"[^\w.@]{1,3}"
"""Not the point of an address: whose anna.berg@ is, its address shows."""
_OBJECT = r"[^{}\[\]]{0,1000}?"
"""The rest of an object of JSON, between two of its values."""


_REFERENCE = "&(?:amp;){0,3}(?:quot|#34|#x22);"
_QUOTE = rf'(?:\\{{0,8}}"|{_REFERENCE})'
_KEY = re.compile(
    r"([{,](?:\s|\\{1,8}[nrt])*)"  # begins an object or follows a value, on any line
    rf'{_QUOTE}(?:[^"\\&]|\\[^"]|(?!{_REFERENCE})&){{0,200}}{_QUOTE}(?=\s*:)'
)
"""A key of an object of JSON, also of JSON within JSON or XML."""


def _without_keys(text: str) -> str:
    """Return a text whose keys of objects are ``_``: the word customer in one is nobody's name."""
    return _KEY.sub(r'\1"_"', text)


class Kind(StrEnum):
    """What of a person was found."""

    ADDRESS = "e-mail address"
    NAME = "name"
    PHONE = "telephone number"
    STREET = "postal address"
    HASH = "keyed hash"
    CUSTOMER = "customer key"
    PSEUDONYM = "pseudonym of the erasure"

    @property
    def is_personal(self) -> bool:
        """Whether it shows who the person is; else it is a pseudonym."""
        return self not in (Kind.HASH, Kind.CUSTOMER, Kind.PSEUDONYM)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """``clue`` is in every text that the expression matches, ``prepare`` applied to it."""

    kind: Kind
    clue: str
    expression: re.Pattern[str]
    prepare: Callable[[str], str] | None = None

    def matches(self, text: str) -> bool:
        clue_text = text if self.prepare is None else self.prepare(text)
        return self.clue in clue_text and self.expression.search(text) is not None


class Search:
    """Looks for all that is known of a person."""

    def __init__(self, person: Person) -> None:
        self._personal = [
            *_each(person.addresses, _address),
            *_each(person.phones, _phone),
        ]
        self._of_terms = [  # of plain words, which keys of objects are too
            *(each for name in sorted(person.names) for each in _name(name)),
            *_each(person.streets, _street),
        ]
        self._pseudonyms = [
            *(_exact(Kind.HASH, each, "0-9a-f") for each in sorted(person.hashes)),
            *(_exact(Kind.PSEUDONYM, each, "0-9a-f") for each in sorted(person.pseudonyms)),
            *(_exact(Kind.CUSTOMER, each, r"\w/.-") for each in sorted(person.customers)),
        ]

    @property
    def kinds(self) -> list[Kind]:
        """The kinds that are looked for."""
        patterns = (*self._personal, *self._of_terms, *self._pseudonyms)
        return sorted({each.kind for each in patterns})

    def in_texts(self, texts: Iterable[str | bytes | None]) -> set[Kind]:
        """Return what of the person is in any of these texts."""
        found: set[Kind] = set()
        for each in texts:
            if isinstance(each, str):
                found |= self.in_text(each)
            elif each:
                found |= self.in_text(text_of(each))
                if each[0] == 0:
                    found |= self._in_binary(each)
        return found

    def _in_binary(self, value: bytes) -> set[Kind]:
        """Look into a record of Avro that cannot be decoded: lengths are before its texts."""
        text = value.decode(errors="replace")
        folded = normal(text)
        found = {each.kind for each in self._pseudonyms if each.clue in text}
        found |= {each.kind for each in self._personal if each.clue in folded}
        return found & {Kind.ADDRESS, Kind.HASH, Kind.PSEUDONYM}

    def in_text(self, text: str) -> set[Kind]:
        """Return what of the person is in a text, however it is written."""
        found: set[Kind] = set()
        for reading in readings(text):
            found |= {each.kind for each in self._pseudonyms if each.matches(reading)}
            if not self._personal and not self._of_terms:
                continue
            folded = normal(reading)
            found |= {each.kind for each in self._personal if each.matches(folded)}
            if any(each.clue in folded for each in self._of_terms):
                values = _without_keys(folded)
                found |= {each.kind for each in self._of_terms if each.matches(values)}
        return found


def _each(texts: Iterable[str], pattern: Callable[[str], _Pattern | None]) -> Iterator[_Pattern]:
    for text in sorted(texts):
        if (made := pattern(text)) is not None:
            yield made


def _address(text: str) -> _Pattern | None:
    address = normal(text).strip()
    if not address:
        return None
    # Not a part of another address: joanna@ or anna@example.com.au.
    expression = rf"(?<![\w.+-]){re.escape(address)}(?![\w-]|\.\w)"
    return _Pattern(Kind.ADDRESS, address, re.compile(expression))


def _name(text: str) -> Iterator[_Pattern]:
    """Yield patterns of a name in one text, in either order, and in two fields of one object."""
    terms = normal(text).split()
    if not terms:
        return
    escaped = [re.escape(term) for term in terms]
    clue = max(terms, key=len)
    orders = {tuple(escaped), (escaped[-1], *escaped[:-1])}
    forms = [rf"(?<!\w){_BETWEEN_NAMES.join(order)}(?!\w)" for order in sorted(orders)]
    for number in range(1, len(terms)):
        first, last = " ".join(terms[:number]), " ".join(terms[number:])
        one, other = rf'"{re.escape(first)}"', rf'"{re.escape(last)}"'
        forms += [one + _OBJECT + other, other + _OBJECT + one]
        key = r"[^\w.@]+(?:[\w-]*name[\w-]*\W+){0,4}"  # between two elements of XML
        forms.append(rf"(?<!\w){re.escape(first)}{key}{re.escape(last)}(?!\w)")
    for form in forms:
        yield _Pattern(Kind.NAME, clue, re.compile(form))


def _phone(text: str) -> _Pattern | None:
    digits = re.sub(r"[^0-9]", "", normal(text))
    if len(digits) < _FEWEST_DIGITS:
        return None
    tail = digits[-_NATIONAL:] if len(digits) > _NATIONAL else digits
    separators = rf"[{re.escape(_SEPARATORS)}]{{0,3}}"
    country = rf"(?:\+?[(0-9][0-9{re.escape(_SEPARATORS)}]{{0,7}})?"
    expression = rf"(?<![\w.]){country}{separators.join(tail)}(?![0-9])"
    return _Pattern(
        Kind.PHONE, tail, re.compile(expression), lambda each: each.translate(_NO_SEPARATORS)
    )


def _street(text: str) -> _Pattern | None:
    terms = re.findall(r"\w+", normal(text))
    if not terms:
        return None
    expression = rf"(?<!\w){_BETWEEN.join(map(re.escape, terms))}(?!\w)"
    return _Pattern(Kind.STREET, max(terms, key=len), re.compile(expression))


def _exact(kind: Kind, text: str, of_term: str) -> _Pattern:
    after = of_term.replace("/.", "")  # a key can end a sentence
    expression = rf"(?<![{of_term}]){re.escape(text)}(?![{after}])"
    return _Pattern(kind, text, re.compile(expression))
