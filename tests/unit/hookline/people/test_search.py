"""A person is recognised in every spelling, and nobody else is."""

import html
import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.people.person import Person
from hookline.people.search import Kind, Search, normal, readings, text_of
from processors.sources.readers.contact import email_hash

KEY = b"a key of sufficient length"
HASH = "0123456789abcdef" * 2
ANNA = Person(
    addresses=frozenset({"Anna.Berg@example.com"}),
    names=frozenset({"Anna Berg"}),
    phones=frozenset({"+49 (30) 123-456 78"}),
    streets=frozenset({"Lange Straße 12"}),
    hashes=frozenset({HASH}),
    customers=frozenset({"spiffy/main/customer:17"}),
)
SEARCH = Search(ANNA)


def escaped(text: str) -> str:
    return "".join(f"\\u{unit:04X}" for unit in utf16(text))


def utf16(text: str) -> list[int]:
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "in wide letters": lambda text: "".join(
        chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in text
    ),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "percent-encoded": lambda text: quote(text, safe=""),
    "every byte percent-encoded": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "as a form": quote_plus,
    "in JSON": lambda text: json.dumps({"a": text}),
    "escaped in JSON": lambda text: '{"a":"' + escaped(text) + '"}',
    "JSON in JSON": lambda text: json.dumps({"a": json.dumps({"b": text})}),
    "JSON in a query": lambda text: "q=" + quote(json.dumps({"b": text})),
    "in XML": lambda text: f"<email>{html.escape(text)}</email>",
    "as references of XML": lambda text: "".join(f"&#{ord(each)};" for each in text),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("anna.berg@example.com", Kind.ADDRESS),
        ("Anna Berg", Kind.NAME),
        ("Berg, Anna", Kind.NAME),
        ("030 12345678", Kind.PHONE),
        ("+493012345678", Kind.PHONE),
        ("Lange Straße 12", Kind.STREET),
    ],
)
def test_personal_data_is_found_in_every_spelling(spelling: str, text: str, kind: Kind) -> None:
    assert kind in SEARCH.in_texts([SPELLINGS[spelling](text).encode()])


LOCAL = st.text(alphabet="abcxyzABC0189._-é", min_size=1, max_size=12).filter(
    lambda text: text.strip("._-") == text
)
AROUND = st.sampled_from(["", " ", '"', "<", ">", ",", ":", "\n", "=", "&x=", ";", "(", "'", "/"])


@given(LOCAL, st.sampled_from(sorted(SPELLINGS)), AROUND, AROUND)
def test_what_is_hidden_in_any_spelling_is_found(
    local: str, spelling: str, before: str, after: str
) -> None:
    address = f"{local}@example.com"
    search = Search(Person(addresses=frozenset({address})))
    hidden = before + SPELLINGS[spelling](address) + after
    assert search.in_text(hidden) == {Kind.ADDRESS}, hidden


@given(LOCAL, LOCAL, st.sampled_from(sorted(SPELLINGS)))
def test_nobody_else_s_address_is_found(one: str, other: str, spelling: str) -> None:
    ours, theirs = f"{one}@example.com", f"{other}@example.com"
    found = Search(Person(addresses=frozenset({ours}))).in_text(SPELLINGS[spelling](theirs))
    assert bool(found) == (email_hash(ours, KEY) == email_hash(theirs, KEY))


@given(st.text(max_size=200))
def test_any_text_is_read_and_holds_nobody_by_chance(text: str) -> None:
    assert next(readings(text)) == text
    assert SEARCH.in_text(text) == set()
    assert SEARCH.in_texts([text.encode("utf-8", "surrogatepass"), None, ""]) == set()


@pytest.mark.parametrize(
    "text",
    [
        "joanna.berg@example.com", "anna.berg@example.com.au", "anna.berg@example.community",
        "x-anna.berg@example.com", "anna_berg@example.com", "Hanna Berg", "Anna Bergmann",
        '{"first_name":"Anna","last_name":"Meier"},{"first_name":"Tom","last_name":"Berg"}',
        "Anna Meier, Tom Berg", "030 123456789", "03012345679", "Lange Straße 120",
        "spiffy/main/customer:170", "spiffy/main/customer:1", "spiffy/mains/customer:17",
        "other-spiffy/main/customer:17", f"{HASH}0", f"f{HASH}", "spiffy/main/customer:17-2",
    ],
)  # fmt: skip
def test_what_is_similar_is_not_found(text: str) -> None:
    assert SEARCH.in_text(text) == set()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"first_name":"Anna","age":3,"last_name":"Berg"}', Kind.NAME),
        ('{"last_name": "BERG", "first_name": "anna"}', Kind.NAME),
        ("<first-name>Anna</first-name><last-name>Berg</last-name>", Kind.NAME),
        ("first_name=Anna&last_name=Berg", Kind.NAME),
        ("tel:+4930-12345678", Kind.PHONE),
        ('{"phone":493012345678}', Kind.PHONE),
        (f"spiffy/main/guest:{HASH}", Kind.HASH),
        ("of spiffy/main/customer:17.", Kind.CUSTOMER),
        ('["spiffy/main/customer:17"]', Kind.CUSTOMER),
    ],
)
def test_a_person_is_found_in_fields_and_keys(text: str, kind: Kind) -> None:
    assert SEARCH.in_text(text) == {kind}


def test_the_pseudonym_of_an_erasure_is_no_keyed_hash() -> None:
    name = "erased-" + HASH
    search = Search(replace(ANNA, hashes=frozenset({"f" * 32}), pseudonyms=frozenset({name})))
    for text in (f'{{"email_hash":"{name}"}}', f"spiffy/main/guest:{name}"):
        assert search.in_text(text) == {Kind.PSEUDONYM}
    assert search.in_text(f"{name}0") == set()
    assert search.in_texts([f"\0\0\0\0\7\udcff*{name}".encode("utf-8", "surrogateescape")]) == {
        Kind.PSEUDONYM
    }
    assert not Kind.PSEUDONYM.is_personal


SHORT = Search(
    Person(names=frozenset({"Test Customer", "Customer"}), streets=frozenset({"Order 12"}))
)
KEYS = [
    {"test": {"customer": 1}},
    {"test": "customer1", "customer": "tests"},
    {"is": "test", "customer": {"id": 1}},
    {"customer": 1, "order": 12, "test": True, "a": [{"test": {"customer": None}}]},
    [{"a": "test"}, {"customer": 2}],
]


@pytest.mark.parametrize(
    "written",
    [
        json.dumps,
        lambda keys: json.dumps(keys, separators=(",", ":")),
        lambda keys: json.dumps(keys, indent=2),
        lambda keys: json.dumps({"a": json.dumps(keys, indent=1)}),
        lambda keys: json.dumps({"a": json.dumps({"b": json.dumps(keys)})}),
        lambda keys: "q=" + quote(json.dumps(keys)),
        lambda keys: html.escape(json.dumps(keys)),
    ],
)
@pytest.mark.parametrize("keys", KEYS)
def test_a_key_of_an_object_is_nobody_s_name(
    keys: object, written: Callable[[object], str]
) -> None:
    assert SHORT.in_text(written(keys)) == set()


@given(
    st.recursive(
        st.sampled_from(["a", 1, None]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["test", "customer", "Test Customer", "order", 'te"st', "é"]),
                inner,
                max_size=4,
            )
        ),
    ),
    st.sampled_from(["Test Customer", "customer", "TEST, CUSTOMER", "Customer Test"]),
)
def test_a_name_is_found_in_values_and_only_there(keys: object, name: str) -> None:
    assert SHORT.in_text(json.dumps({"data": keys})) == set()
    for value in ({"customer": name}, [name], {"first_name": "Test", "last": "Customer"}):
        for text in (json.dumps([keys, value]), json.dumps({"a": json.dumps([value, keys])})):
            assert SHORT.in_text(text) == {Kind.NAME}


def test_ids_that_differ_in_capitals_are_others() -> None:
    search = Search(Person(customers=frozenset({"spiffy/main/customer:aB"})))
    assert search.in_text("spiffy/main/customer:ab") == set()
    assert search.in_text("spiffy/main/customer:aB") == {Kind.CUSTOMER}


def test_bytes_that_are_no_utf_8_are_read_too() -> None:
    assert text_of(b"\xff anna.berg@example.com").endswith("anna.berg@example.com")
    assert SEARCH.in_texts([b"\xff anna.berg@example.com"]) == {Kind.ADDRESS}


def test_a_record_of_avro_that_cannot_be_decoded_is_looked_through() -> None:
    for length in (b"*", b"0", b"Z"):  # of a text, before it
        record = b"\0\0\0\0\7\xff" + length + b"anna.berg@example.com\2"
        assert SEARCH.in_texts([record]) == {Kind.ADDRESS}
        assert SEARCH.in_texts([b"\0\0\0\0\7\xff" + length + HASH.encode()]) == {Kind.HASH}
    assert SEARCH.in_texts([b"\0\0\0\0\7\xff*anna@example.com\2"]) == set()


def test_a_short_number_or_an_empty_name_is_not_looked_for() -> None:
    search = Search(
        Person(phones=frozenset({"12345", ""}), names=frozenset({" "}), streets=frozenset({"-"}))
    )
    assert search.kinds == []


@given(st.text(max_size=50))
def test_a_normal_text_stays_so(text: str) -> None:
    assert normal(normal(text)) == normal(text)
