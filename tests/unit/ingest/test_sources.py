"""The table of platforms, the keys of published samples, and what a bad body does to a key."""

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.signatures import SCHEMES
from ingest.sources import SOURCES, hashed_key, proof_headers, prove, read
from processors.sources.readers.document import from_json
from processors.sources.readers.fields import required_id
from schemas import shops
from schemas.keys import slug
from schemas.platforms import PLATFORMS
from schemas.shops import Shop
from tests import ROOT

EXAMPLES = ROOT / "tests" / "examples"


def found(source: Any, event: Any, body: Any) -> Any:
    name, key = read(SOURCES[source], "johns", event, body)
    return name, key.decode() if key is not None else None


def test_there_is_a_row_for_every_source_of_the_shops_file() -> None:
    assert set(shops.SOURCES) == set(SOURCES)


def test_ciklik_has_eighteen_urls() -> None:
    assert len(PLATFORMS["ciklik"].events_in_url) == 18


# Published samples, as typed in tests/examples from the platforms' pages.
SAMPLES = [
    ("run-free", "customer-created.json", "", "customer/created", "customer:414356"),
    ("run-free", "cart-change.json", "", "cart/change", "cart:1"),
    ("run-free", "order-created.json", "", "order/created", "order:448725"),
    ("shoprocket", "order-created.json", "", "order.created", "order:716"),
    (
        "spiffy",
        "carts-create.json",
        "carts/create",
        "carts/create",
        "cart:eeafa272cebfd4b22385bc4b645e762c",
    ),
    ("ciklik", "abandoned_cart.json", "abandoned_cart", "abandoned_cart", "cart:1042077"),
    (
        "ciklik",
        "created_checkoutorder.json",
        "created_checkoutorder",
        "created_checkoutorder",
        "order:230129",
    ),
    (
        "ciklik",
        "created_checkoutorder-renewal.json",
        "created_checkoutorder",
        "created_checkoutorder",
        "order:230102",
    ),
    (
        "ciklik",
        "created_subscription.json",
        "created_subscription",
        "created_subscription",
        "subscription:e5e00564-9cc8-402a-ba1e-6c69ff519c37",
    ),
    (
        "ciklik",
        "updated_subscription.json",
        "updated_subscription",
        "updated_subscription",
        "customer:118147",
    ),
    (
        "gooten",
        "order-item-changed.json",
        "",
        "order-item-changed",
        "order:7-501853e1-8d78-4e1e-83a0-be9fb432efe1",
    ),
]


@pytest.mark.parametrize(
    ("body", "entity"),
    [
        (b'{"Id": "45255590281516.0"}', "order:45255590281516"),
        (b'{"Id": 45255590281516.0}', "order:45255590281516"),
        (b'{"Id": 4.5255590281516E13}', "order:45255590281516"),
        (b'{"Id": "7-1.0.0"}', "order:7-1.0.0"),
        (b'{"Id": 1.5}', None),
        (b'{"Id": 1e99}', None),
        (b'\xef\xbb\xbf{"Id": "7"}', "order:7"),
        (b'{"Id": "7", "Note": "thanks \\ud83d"}', "order:7"),
        (b'{"Note": "thanks\\u0000 \x01\n", "Id": "7"}', "order:7"),
        (b'{"Id": "\\ud83d7"}', "order:\ufffd7"),
        (b'{"Id": "7"\x01}', None),
    ],
)
def test_an_id_is_read_as_the_processors_read_it(body: bytes, entity: str | None) -> None:
    key = None if entity is None else f"gooten/johns/{entity}"
    assert found("gooten", "", body) == ("order-item-changed", key)
    if key is not None:
        parsed = from_json(body)
        assert required_id(parsed, "Id") == key.partition(":")[2]


@pytest.mark.parametrize(("source", "file", "given", "event", "entity"), SAMPLES)
def test_a_published_sample_has_its_event_and_key(
    source: Any, file: Any, given: Any, event: Any, entity: Any
) -> None:
    body = (EXAMPLES / source / file).read_bytes()

    assert (event, f"{source}/johns/{entity}") == found(source, given, body)


CREDIT = {
    "description": "Goods returned",
    "customer": {"id": 6, "created_at": "2010-06-15T13:15:50Z"},
    "order": {"id": 5},
    "created_at": "2015-10-24T18:26:31Z",
}
SHAPES = [
    ("spiffy", "orders/paid", {"id": 327475578523353102}, "order:327475578523353102"),
    ("spiffy", "orders/create", {"order": {"id": 7}}, "order:7"),
    ("spiffy", "customers/update", {"id": 6, "email": "x"}, "customer:6"),
    ("spiffy", "carts/update", {"cart": {"token": "t", "id": "i"}}, "cart:t"),
    ("spiffy", "carts/update", {"id": "i", "token": None}, "cart:i"),
    ("spiffy", "customer_credits/create", CREDIT, "credit:6-2015-10-24T18:26:31Z"),
    ("spiffy", "", CREDIT, "credit:6-2015-10-24T18:26:31Z"),
    ("spiffy", "customer_credits/create", {**CREDIT, "order": 5}, "credit:6-2015-10-24T18:26:31Z"),
    ("spiffy", "products/create", {"id": 3}, "product:3"),
    ("ciklik", "deleted_subscription", {"id": 1, "uuid": "u-1"}, "subscription:u-1"),
    ("ciklik", "created_checkouttransaction", {"id": 11}, "transaction:11"),
    ("ciklik", "created_checkoutinvoice", {"id": 12}, "invoice:12"),
    ("ciklik", "updated_address", {"id": 13, "user_id": 1}, "address:13"),
    ("ciklik", "deleted_shippingbox", {"id": 14}, "shippingbox:14"),
    ("ciklik", "updated_user", {"id": 15}, "customer:15"),
    ("ciklik", "created_optin", {"id": 16}, "optin:16"),
]


@pytest.mark.parametrize(("source", "event", "body", "entity"), SHAPES)
def test_an_event_without_sample_is_keyed_by_the_ids_that_are_there(
    source: Any, event: Any, body: Any, entity: Any
) -> None:
    assert (event, f"{source}/johns/{entity}") == found(source, event, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "event", "entity"),
    [
        ({"type": "order.paid", "id": "evt_1", "data": {"id": "9"}}, "order.paid", "order:9"),
        ({"type": "order.paid", "data": {"order": {"id": 9}}}, "order.paid", "order:9"),
        ({"type": "cart.abandoned", "data": {"object": {"id": "c"}}}, "cart.abandoned", "cart:c"),
        ({"type": "Weird thing", "data": {"id": 1}}, "Weird thing", "other:1"),
    ],
)
def test_shoprockets_newer_envelope_is_keyed_by_the_id_in_it(
    body: Any, event: Any, entity: Any
) -> None:
    assert (event, f"shoprocket/johns/{entity}") == found(
        "shoprocket", "", json.dumps(body).encode()
    )


@pytest.mark.parametrize(
    ("event", "body", "entity"),
    [
        (
            "orders/create",
            "<order><line-items><item><id>5</id></item></line-items><id>\n 9\n</id></order>",
            "order:9",
        ),
        ("carts/create", "\ufeff\n<cart><id>i</id><token>tök</token></cart>", "cart:tök"),
        (
            "customer_credits/create",
            "<credit><customer><id>6</id></customer><created-at>2015</created-at></credit>",
            "credit:6-2015",
        ),
    ],
)
def test_spiffy_xml_is_keyed_like_its_json(event: Any, body: Any, entity: Any) -> None:
    assert (event, f"spiffy/johns/{entity}") == found("spiffy", event, body.encode())


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><order><id>&b;</id></order>'
)


@pytest.mark.parametrize(
    "body",
    [BOMB, "<order><id>1</id>", "<", "<order/>", '<?xml version="1.0" encoding="no-such"?><a/>'],
)
def test_xml_that_is_unsafe_or_broken_has_no_key(body: Any) -> None:
    assert found("spiffy", "orders/create", body.encode()) == ("orders/create", None)


@pytest.mark.parametrize(
    "body",
    [
        '{"type":"order","action":"created","data":{}}',
        '{"type":"order","action":"created","data":{"id":null}}',
        '{"type":"order","action":"created","data":{"id":1.5}}',
        '{"type":"order","action":"created","data":{"id":""}}',
        '{"type":"order","action":"created","data":{"id":true}}',
        '{"type":"order","action":"created","data":{"id":{"id":1}}}',
        '{"type":"order","action":"created","data":{"id":"a\\u007fb"}}',
        '{"type":"order","action":"created","data":{"id":"%s"}}' % ("x" * 201),
        '{"type":"order","action":"created","data":[1]}',
        '{"type":"order","action":"created","data":null}',
        '{"type":"order","action":"created"}',
    ],
)
def test_an_id_that_cannot_be_believed_leaves_the_event_and_no_key(body: Any) -> None:
    assert found("run-free", "", body.encode()) == ("order/created", None)


@pytest.mark.parametrize("id_", [2**53 + 1, 2**64 + 1, 10**39])
def test_a_large_number_keeps_its_exact_text(id_: Any) -> None:
    body = b'{"Id":%d}' % id_

    assert ("order-item-changed", f"gooten/johns/order:{id_}") == found("gooten", "", body)


def test_a_number_and_its_text_are_one_entity() -> None:
    assert found("gooten", "", b'{"Id":716}') == found("gooten", "", b'{"Id":"716"}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "Id", "type", "action", "data", "customer", "token", "cart"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
anything = st.binary(max_size=200) | json_values.map(lambda v: json.dumps(v).encode())
events = st.sampled_from(
    ["", "carts/create", "orders/x", *sorted(PLATFORMS["ciklik"].events_in_url)]
) | st.text(max_size=20)


@given(source=st.sampled_from(sorted(SOURCES)), event=events, body=anything)
def test_no_body_ever_fails_to_be_read(source: Any, event: Any, body: Any) -> None:
    name, key = read(SOURCES[source], "johns", event, body)

    name.encode()
    assert key is None or key.startswith(f"{source}/johns/".encode())


@given(body=st.binary(max_size=100))
def test_a_hashed_key_is_the_bodys_and_short(body: Any) -> None:
    key = hashed_key(SOURCES["gooten"], "johns", body)

    assert key == hashed_key(SOURCES["gooten"], "johns", body)
    assert len(b"gooten/johns/body:") + 32 == len(key)
    assert key != hashed_key(SOURCES["gooten"], "johns", body + b"!")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("carts/create", "carts-create"),
        ("order.created", "order-created"),
        ("Order/Created", "order-created"),
        ("created_user", "created_user"),
    ],
)
def test_a_slug_is_lower_case_with_dashes(event: Any, expected: Any) -> None:
    assert expected == slug(event)


def test_a_delivery_is_proved_as_spiffy_proves() -> None:
    shop = Shop(source="spiffy", id="johns", secrets=("s",), proof="hmac-sha256-base64")
    path, headers = prove(shop, b"s", b"{}", "carts/create")

    assert path == "/hooks/spiffy/johns"
    assert headers["x-spiffy-topic"] == "carts/create"
    assert SCHEMES["hmac-sha256-base64"](b"s", b"{}").decode() == headers["x-spiffy-hmac-sha256"]


@pytest.mark.parametrize("proof", ["hmac-sha256-base64", "hmac-sha256-hex"])
@pytest.mark.parametrize("header", [None, "X-Spiffy-Hmac-Sha256", "X-Spiffy-Stores-Hmac-SHA256"])
def test_spiffys_signature_has_either_name_and_ours_the_first(header: Any, proof: Any) -> None:
    names = (b"x-spiffy-hmac-sha256", b"x-spiffy-stores-hmac-sha256")
    shop = Shop(source="spiffy", id="johns", secrets=("s",), proof=proof, proof_header=header)

    assert proof_headers(SOURCES["spiffy"], shop) == names
    assert prove(shop, b"s", b"{}", "carts/create")[1] == {
        "x-spiffy-hmac-sha256": SCHEMES[proof](b"s", b"{}").decode(),
        "x-spiffy-topic": "carts/create",
    }


def test_a_header_of_the_shops_own_replaces_the_platforms() -> None:
    shop = Shop(
        source="spiffy", id="johns", secrets=("s",), proof="hmac-sha256-hex", proof_header="X-Sig"
    )

    assert proof_headers(SOURCES["spiffy"], shop) == (b"x-sig",)


def test_a_delivery_is_proved_by_a_token_in_the_url_before_the_event() -> None:
    shop = Shop(source="ciklik", id="box", secrets=("s",), currency="EUR")
    path, headers = prove(shop, b"a/b c", b"{}", "created_user")

    assert path == "/hooks/ciklik/box/a%2Fb%20c/created_user"
    assert unquote(path.split("/")[4]) == "a/b c"
    assert headers == {}


def test_a_delivery_is_proved_by_a_secret_in_the_shops_own_header() -> None:
    shop = Shop(source="shoprocket", id="s", secrets=("k",), proof="header", proof_header="X-Key")

    assert prove(shop, b"k", b"{}", "order.created") == ("/hooks/shoprocket/s", {"x-key": "k"})


def test_a_proof_without_a_header_to_carry_it_is_an_error() -> None:
    shop = Shop(source="shoprocket", id="s", secrets=("k",), proof="hmac-sha256-hex")

    with pytest.raises(ValueError, match="proof_header"):
        prove(shop, b"k", b"{}", "order.created")
