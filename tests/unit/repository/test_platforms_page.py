"""docs/platforms.md says what the adapters do."""

from tests.example_files import examples
from tests.platforms_page import PAGE, Fate, fates, page


def test_the_page_stands_as_its_generator_writes_it() -> None:
    assert PAGE.read_text() == page()


def test_a_field_is_used_kept_or_left_out() -> None:
    (order,) = [e for e in examples() if e.name == "run-free/order-created"]
    found = dict(fates(order))
    assert [found[name] for name in ("data.id", "data.subtotal", "data.customer.email")] == [
        Fate.USED
    ] * 3
    assert [found[name] for name in ("data.discountCode", "data.items[].size")] == [Fate.KEPT] * 2
    assert [found[name] for name in ("data.shipping.street", "data.giftCardNumber")] == [
        Fate.LEFT_OUT
    ] * 2


def test_an_identifier_in_the_query_is_a_field_too() -> None:
    (order,) = [e for e in examples() if e.name == "gooten/order-item-changed"]
    assert dict(fates(order))["query.orderid"] is Fate.KEPT
