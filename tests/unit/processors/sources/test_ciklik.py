"""Ciklik: 18 URLs, creation times that date no change, running totals of two scopes."""

from decimal import Decimal
from typing import Any

import pytest

from processors.sources.ciklik.adapter import EVENTS
from processors.sources.contract import Rule
from schemas.envelopes import Reject
from schemas.events import (
    Cart,
    Change,
    Consent,
    Customer,
    Order,
    OrderStatus,
    Payment,
    PaymentKind,
    Scope,
    Shipment,
    ShipmentStatus,
    Subscription,
    SubscriptionStatus,
    TimeBasis,
)
from tests.example_files import FOLDER
from tests.unit.processors.sources.deliveries import (
    changed,
    delivery,
    outcome,
    refused,
    run,
    sample,
)


def order(name: str, event: str = "created_checkoutorder") -> Order:
    made = run("ciklik", event, sample(f"ciklik/{name}"))["order"]
    assert isinstance(made, Order)
    return made


def subscription(event: str, change: Any = lambda _: None) -> Subscription:
    body = changed("ciklik/created_subscription", change)
    made = run("ciklik", event, body)["subscription"]
    assert isinstance(made, Subscription)
    return made


def test_there_are_18_urls() -> None:
    assert len(EVENTS) == 18


def test_the_first_order_is_50_and_the_renewal_20_less_20() -> None:
    first, renewal = order("created_checkoutorder"), order("created_checkoutorder-renewal")
    assert [first.items_total, first.discount_total, first.paid_total] == [50, 0, 50]
    assert [renewal.items_total, renewal.discount_total, renewal.paid_total] == [20, 20, 0]
    assert (first.successful_transactions, renewal.successful_transactions) == (1, 3)
    assert first.status is renewal.status is OrderStatus.COMPLETED
    assert renewal.subscription_id == "bdda3255-b2f8-459b-adeb-75fe533fb579"


def test_totals_keep_their_scope() -> None:
    made = subscription("created_subscription", lambda d: d.update(user_id=7))
    assert [(t.scope, t.scope_id, t.revenue, t.orders_count) for t in made.reported] == [
        (Scope.CUSTOMER, "7", Decimal(50), None),
        (Scope.SUBSCRIPTION, "e5e00564-9cc8-402a-ba1e-6c69ff519c37", Decimal(50), None),
    ]
    assert made.attributes["totalTransactionsSuccess"] == "3"


def test_a_count_of_transactions_alone_reports_nothing() -> None:
    made = run("ciklik", "updated_user", {"id": 1, "totalTransactionsSuccess": 2})["customer"]
    assert made.reported == ()


def test_a_creation_time_dates_a_creation_and_never_an_update() -> None:
    created = order("created_checkoutorder")
    updated = order("updated_checkoutorder", "updated_checkoutorder")
    assert created.meta.time_basis is TimeBasis.PAYLOAD
    assert updated.meta.time_basis is TimeBasis.RECEIVED
    assert created.placed_at == updated.placed_at == created.meta.occurred_at


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_only_a_creation_with_its_time_is_content(event: str) -> None:
    made = outcome(delivery("ciklik", event, {"id": 1, "order_id": 1, "cart_id": 1}))
    assert not isinstance(made, Reject)
    dated = {
        "created_checkoutorder",
        "created_subscription",
        "created_checkouttransaction",
        "created_checkoutinvoice",
        "created_user",
    }
    assert made[0].rule is (Rule.CONTENT if event in dated else Rule.STATE)


@pytest.mark.parametrize(
    ("event", "values", "status"),
    [
        ("created_subscription", {"active": True}, SubscriptionStatus.ACTIVE),
        ("updated_subscription", {"active": True, "paused": True}, SubscriptionStatus.PAUSED),
        ("updated_subscription", {"active": False}, SubscriptionStatus.INACTIVE),
        ("updated_subscription", {"active": None}, SubscriptionStatus.UNKNOWN),
        ("deleted_subscription", {"active": True}, SubscriptionStatus.DELETED),
    ],
)
def test_the_status_of_a_subscription(event: str, values: Any, status: SubscriptionStatus) -> None:
    assert subscription(event, lambda d: d.update(values)).status is status


def test_an_update_of_a_subscription_that_holds_a_user_is_on_the_customer() -> None:
    slots = run("ciklik", "updated_subscription", sample("ciklik/updated_subscription"))
    made = slots["customer"]
    assert isinstance(made, Customer)
    assert (made.meta.entity, made.meta.change) == ("ciklik/demo/customer:118147", Change.UPDATED)
    assert made.has_active_subscription is True
    assert [t.revenue for t in made.reported] == [Decimal(500)]


def test_an_abandoned_cart_has_a_creation_an_owner_and_no_value() -> None:
    made = run("ciklik", "abandoned_cart", sample("ciklik/abandoned_cart"))["cart"]
    assert isinstance(made, Cart)
    assert (made.abandoned, made.total, made.items) == (True, None, None)
    assert (made.currency, made.meta.change) == ("EUR", Change.REPORTED)
    assert made.created_at == 1_610_917_547_000_000
    assert made.meta.time_basis is TimeBasis.RECEIVED
    assert made.customer is not None
    assert made.customer.customer_id == "133180"


def test_an_address_reports_on_its_user_without_the_address() -> None:
    made = run("ciklik", "created_address", sample("ciklik/created_address"))["customer"]
    assert isinstance(made, Customer)
    assert (made.customer_id, made.meta.change) == ("121000", Change.REPORTED)
    assert made.attributes == {}
    assert made.contact is None


def test_profile_answers_go_nowhere() -> None:
    for event, name in (
        ("created_subscription", "created_subscription"),
        ("updated_subscription", "updated_subscription"),
        ("created_user", "created_user"),
    ):
        text = str(run("ciklik", event, sample(f"ciklik/{name}")))
        assert not {"Femme", "Homme", "sexe", "âge", "taille"} & set(text.replace("'", " ").split())


def test_consent_is_read_only_where_it_is_plain() -> None:
    def granted(values: dict[str, Any]) -> bool | None:
        made = run("ciklik", "updated_optin", {"id": 1, "user_id": 2, **values})["consent"]
        assert isinstance(made, Consent)
        return made.granted

    assert [granted({"optin": value}) for value in (True, "0", "partners", None)] == [
        True,
        False,
        None,
        None,
    ]


def test_payments_tell_what_they_name() -> None:
    body = sample("ciklik/created_checkoutinvoice")
    made = run("ciklik", "created_checkoutinvoice", body)["payment"]
    assert isinstance(made, Payment)
    assert (made.kind, made.amount, made.order_id) == (PaymentKind.INVOICE, Decimal(50), "230129")


def test_a_deleted_box_is_deleted() -> None:
    made = run("ciklik", "deleted_shippingbox", {"id": 5})["shipment"]
    assert isinstance(made, Shipment)
    assert (made.status, made.meta.change) == (ShipmentStatus.DELETED, Change.DELETED)


@pytest.mark.parametrize(
    ("event", "body", "expected"),
    [
        ("created_nothing", {"id": 1}, ("unknown-event", "hookline-event")),
        ("created_checkoutorder", {"user_id": 1}, ("invalid-payload", "order_id")),
        ("abandoned_cart", {}, ("invalid-payload", "cart_id")),
        ("created_subscription", {"plan": {}}, ("invalid-payload", "uuid")),
        ("created_optin", {"user_id": 1}, ("invalid-payload", "id")),
        (
            "created_checkoutorder",
            {"order_id": 1, "items": [{"price": "20,00€"}]},
            ("invalid-payload", "items[0].price"),
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(event: str, body: Any, expected: Any) -> None:
    assert refused("ciklik", event, body) == expected


@pytest.mark.parametrize("price", [50, 50.0, "50", "50.00", "50.000"])
def test_a_price_is_the_same_amount_in_each_of_its_spellings(price: Any) -> None:
    body = changed("ciklik/created_checkoutorder", lambda d: d["items"][0].update(price=price))
    made = run("ciklik", "created_checkoutorder", body)["order"]
    assert isinstance(made, Order)
    (line,) = made.items or ()
    assert (line.unit_price, line.line_total, made.items_total) == (50, 50, 50)


def test_a_tax_on_two_levels_is_kept_as_given_and_taken_for_none() -> None:
    body = (FOLDER / "ciklik/created_checkoutorder.json").read_bytes()
    made = run("ciklik", "created_checkoutorder", body)["order"]
    assert isinstance(made, Order)
    (line,) = made.items or ()
    assert line.tax is None
    assert (line.attributes["tax"], line.attributes["orderable.tax"]) == ("0.000", "0.000")


def test_a_coupon_is_an_empty_list_or_an_object() -> None:
    none, one = order("created_checkoutorder"), order("created_checkoutorder-renewal")
    assert not [name for name in none.attributes if name.startswith("coupon")]
    assert one.attributes["coupon.uuid"] == "MONCOUPON1MOIS"


def test_display_text_and_epoch_seconds_are_kept_as_given_and_never_read() -> None:
    made = order("created_checkoutorder-renewal")
    assert made.attributes["coupon.display_amount"] == "20,00€"
    assert made.attributes["coupon.redeem_by"] == "1626350400"
    assert made.discount_total == Decimal(20)


def test_a_backslash_in_a_type_is_one() -> None:
    (line,) = order("created_checkoutorder").items or ()
    assert line.attributes["type"] == "App\\Plan"


def test_a_subscription_without_user_is_nobodys_and_its_customer_totals_name_none() -> None:
    made = subscription("created_subscription")
    assert made.customer is None
    assert [(t.scope, t.scope_id) for t in made.reported] == [
        (Scope.CUSTOMER, None),
        (Scope.SUBSCRIPTION, "e5e00564-9cc8-402a-ba1e-6c69ff519c37"),
    ]


def test_the_promised_array_of_changes_is_read_in_no_form_and_its_values_go_nowhere() -> None:
    body = sample("ciklik/updated_subscription-changed")
    assert "MARIE" not in str(run("ciklik", "updated_subscription", body))
    body["changed"] = {"first_name": "MARIE", "paused": True}
    made = run("ciklik", "updated_subscription", body)["subscription"]
    assert made.attributes["changed.paused"] == "true"
    assert "MARIE" not in str(made)


def test_what_was_paid_is_not_the_orders_total_nor_its_net() -> None:
    made = order("created_checkoutorder")
    assert (made.total, made.paid_total, made.items_total) == (None, 50, 50)
