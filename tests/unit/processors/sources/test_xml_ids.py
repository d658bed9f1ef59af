"""An id in XML is the same for the ingress, which keys by it, and for the adapter, which reads it.

However it is typed, declared null, spelled or repeated.
"""

import itertools

import pytest

from schemas.envelopes import Reject
from tests.unit.processors.sources.deliveries import delivery, outcome
from tests.unit.processors.sources.test_any_body import names_its_key

KINDS = (
    "", "integer", "decimal", "float", "boolean", "array", "string", "symbol", "datetime",
)  # fmt: skip
NULLS = ("", 'nil="true"', 'nil="1"', 'nil="false"', 'xsi:nil="true"')
TEXTS = (
    "x", "5", "05", "+5", "-5", "5.0", "5.5", "5e3", "1" * 50, "1" * 70, "", "  ", "true", "0",
    " 7 ", "\n 7\n", "<b>7</b>", "7<b/>", "<![CDATA[7]]>", "<!-- none -->8", "\ufeff9", "a b",
)  # fmt: skip
PLACES = (
    ("carts/create", "<cart {}>{}<id>abc</id></cart>", "token"),
    ("carts/create", "<cart {}>{}</cart>", "token"),
    ("carts/create", "<cart {}>{}</cart>", "id"),
    ("orders/create", "<order {}>{}<customer><id>1</id></customer></order>", "id"),
    ("customers/update", "<customer {}>{}</customer>", "id"),
    ("carts/create", "<hash {}><cart>{}</cart></hash>", "token"),
    ("orders/create", "<hash {}><order>{}</order></hash>", "id"),
    ("customers/update", "<hash {}><customer>{}</customer></hash>", "id"),
)
SPACE = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def check(event: str, body: str) -> tuple[str, bool]:
    """Compare key and event; return the key, and whether there is an event."""
    given = delivery("spiffy", event, body.encode())
    made = outcome(given)
    has_id = "/body:" not in given.raw.entity
    if isinstance(made, Reject):
        assert not (has_id and made.path in ("id", "token")), (body, given.raw.entity, made)
        return given.raw.entity, False
    first = next(iter(made[1].values()))
    assert names_its_key(first), (body, given.raw.entity)
    if not has_id:
        own = [getattr(first, name, None) for name in ("cart_id", "order_id", "customer_id")]
        assert not any(each and each.isprintable() for each in own), (body, own)
    return given.raw.entity, True


@pytest.mark.parametrize(("event", "frame", "name"), PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_id_is_what_its_type_its_null_and_its_text_make_it(
    event: str, frame: str, name: str, kind: str
) -> None:
    for null, text in itertools.product(NULLS, TEXTS):
        typed = f'type="{kind}"' if kind else ""
        check(event, frame.format(SPACE, f"<{name} {typed} {null}>{text}</{name}>"))


@pytest.mark.parametrize(("event", "frame", "name"), PLACES)
def test_an_id_that_is_repeated_is_a_list_and_no_id(event: str, frame: str, name: str) -> None:
    for texts in (("5", "5"), ("5", "6"), ("", "6"), ("6", "")):
        inside = "".join(f"<{name}>{text}</{name}>" for text in texts)
        key, _ = check(event, frame.format(SPACE, inside))
        assert not key.endswith((":5", ":6"))


DEEPEST = 64
CREDIT = "<credit><value>5</value><created-at>2015-01-01T00:00:00Z</created-at>{}</credit>"


@pytest.mark.parametrize(
    ("customer", "is_one"),
    [
        ("<customer><id>5</id></customer>", True),
        ('<customer nil="true"><id>5</id></customer>', False),
        ('<customer type="array"><id>5</id></customer>', False),
        ("<customer/><customer><id>5</id></customer>", False),
        ("<customer><id>5</id></customer><customer><id>6</id></customer>", False),
        ("<customer><id><b>5</b></id></customer>", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("event", ["customer_credits/create", "store_credits/update"])
def test_a_credit_is_keyed_by_a_customer_only_where_its_event_has_one(
    event: str, customer: str, *, is_one: bool
) -> None:
    key, _ = check(event, CREDIT.format(customer))
    assert ("/credit:5-" in key) is is_one


@pytest.mark.parametrize("depth", [62, 63, 64, 65, 66])
def test_what_is_nested_too_deeply_has_neither_key_nor_event(depth: int) -> None:
    body = f"<order><id>9</id>{'<a>' * depth}{'</a>' * depth}</order>"
    key, is_event = check("orders/create", body)
    assert is_event is key.endswith("/order:9") is (depth <= DEEPEST)


def test_what_has_too_many_elements_has_neither_key_nor_event() -> None:
    for count, is_taken in ((29_000, True), (31_000, False)):
        key, is_event = check("orders/create", f"<order><id>9</id>{'<a></a>' * count}</order>")
        assert is_event is key.endswith("/order:9") is is_taken
