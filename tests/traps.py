"""The traps that a careful reader finds in the platforms' pages, and the tests that show each.

A trap is shown in a run where all of its tests ran and passed.
"""

import ast
from collections.abc import Iterable
from pathlib import Path

UNIT = Path(__file__).parent / "unit"

TRAPS: dict[str, dict[str, tuple[str, ...]]] = {
    "run-free": {
        "a cart has no id, time, price or currency: it is the customer's open cart": (
            "test_a_cart_is_its_customers_open_cart",
        ),
        "an empty list of items is a cart emptied": (
            "test_an_emptied_cart_has_no_items_and_items_that_are_missing_are_null",
        ),
        "guest carts are unknown": ("test_a_cart_of_nobody_is_refused",),
        "an order tells no status and no later cancellation": (
            "test_an_order_has_no_status_and_is_placed",
        ),
        "an order has no total, and its shipping is an address": (
            "test_the_sample_order_is_worth_104_net",
        ),
        "a gift card is tender, not a discount": (
            "test_a_gift_card_spent_is_tender_and_its_number_goes_nowhere",
        ),
        "cost is the price of a unit or of a line; the items' sum says which": (
            "test_the_subtotal_decides_whether_cost_is_of_a_unit_or_of_a_line",
            "test_a_cost_that_fits_nothing_is_kept_as_given",
        ),
        "latitude -1 is a sentinel": (
            "test_the_sentinel_latitude_and_all_that_an_address_says_go_nowhere",
        ),
        '"" and {} mean null': ("test_empty_text_and_empty_objects_tell_nothing",),
        "the same address stands on customers 1 and 414356": (
            "test_the_same_address_has_one_hash_on_every_customer",
        ),
        "customer 1 has two posIds": (
            "test_a_till_knows_one_customer_under_two_numbers_and_neither_is_the_key",
        ),
    },
    "shoprocket": {
        "the key is data.id; order_id, raw_order_id and the invoice are other numbers": (
            "test_the_key_is_the_id_and_the_other_numbers_are_none",
        ),
        "numbers are texts, flags are digits, yet fulfillment_status is an int": (
            "test_texts_for_numbers_flags_as_digits_and_an_int_beside_them_are_read_alike",
        ),
        "naive times in mixed zones; those of items are never used": (
            "test_naive_times_are_of_the_zone_that_the_shop_says_and_item_times_count_nothing",
            "test_the_times_of_items_change_nothing",
            "test_an_order_at_14_37_utc_and_its_item_at_20_07_in_kolkata_are_one_sale",
        ),
        "any one of three places makes a delivery a test": (
            "test_any_one_of_three_fields_makes_a_test",
            "test_a_test_in_the_newer_envelope_is_marked_by_its_livemode",
        ),
        "updated_at may be null": ("test_an_update_with_its_time_is_content_and_else_state",),
        "cart_session looks like a store key": (
            "test_the_cart_session_links_nothing_and_goes_nowhere",
        ),
        "payment_pending is not revenue": (
            "test_the_sample_is_a_pending_test_order_of_12_and_9_95_shipping",
            "repository/test_lifetime_reference.py::test_pending_revenue_is_not_net",
        ),
        "a newer envelope comes by shape, and nothing of it is rejected silently": (
            "test_the_newer_envelope_has_money_in_the_smallest_unit_of_its_currency",
            "test_an_unknown_name_in_either_format_is_an_unknown_event",
        ),
    },
    "spiffy": {
        "a cart carries no customer, currency or time; its id is its token": (
            "test_the_sample_cart_is_worth_59_97",
            "test_a_cart_has_no_time_and_is_dated_by_its_receipt",
        ),
        "a line's identity is its key, not its id": (
            "test_a_line_is_known_by_its_key_and_large_ids_keep_every_digit",
        ),
        "an order names its cart in cart_token; no token, no link": (
            "test_an_order_names_its_cart_by_token",
            "test_an_order_without_a_token_names_no_cart",
        ),
        "an id above 2^53 is never a float": (
            "processors/sources/readers/test_document.py::test_numbers_are_exact_at_any_size",
            "ingest/test_sources.py::test_an_event_without_sample_is_keyed_by_the_ids_that_are_there",
        ),
        "total_spent and orders_count are the platform's running totals": (
            "test_the_platforms_own_totals_ride_on_the_customer",
        ),
        "a customer credit has no id, amount, topic or sign": (
            "test_a_customer_credit_has_neither_amount_nor_sign_nor_order",
            "ingest/test_sources.py::test_an_event_without_sample_is_keyed_by_the_ids_that_are_there",
        ),
        "no order number is parsed out of a credit's text": (
            "test_no_number_is_read_out_of_a_credits_text",
        ),
        "the page's fragments hold no-break spaces": (
            "test_fragments_with_no_break_spaces_are_no_json",
        ),
        "XML in the Rails style, names with dashes or underscores": (
            "test_xml_says_the_same_as_json_dashed_or_underscored",
            "repository/test_examples.py::test_a_body_in_xml_gives_the_events_of_its_json",
        ),
        "two spellings of the headers": (
            "repository/test_examples_ingress.py::test_both_spellings_of_spiffys_headers_say_the_same",
            "ingest/test_ingress.py::test_one_signature_under_either_name_in_either_encoding_proves",
        ),
    },
    "ciklik": {
        'price 50, "50.00" and "50.000"': (
            "test_a_price_is_the_same_amount_in_each_of_its_spellings",
        ),
        "tax on two levels": ("test_a_tax_on_two_levels_is_kept_as_given_and_taken_for_none",),
        "coupon is [] or an object": ("test_a_coupon_is_an_empty_list_or_an_object",),
        '"20,00€" is display text, redeem_by epoch seconds': (
            "test_display_text_and_epoch_seconds_are_kept_as_given_and_never_read",
            "test_what_cannot_be_is_refused_with_its_path",
        ),
        "App\\Plan": ("test_a_backslash_in_a_type_is_one",),
        "updated_subscription may be shaped like a user: an event on the customer": (
            "test_an_update_of_a_subscription_that_holds_a_user_is_on_the_customer",
        ),
        "updated_subscription lacks the promised array of changes": (
            "test_the_promised_array_of_changes_is_read_in_no_form_and_its_values_go_nowhere",
        ),
        "a subscription tells no user": (
            "test_a_subscription_without_user_is_nobodys_and_its_customer_totals_name_none",
        ),
        "created dates an object's creation and never its change": (
            "test_a_creation_time_dates_a_creation_and_never_an_update",
            "test_only_a_creation_with_its_time_is_content",
        ),
        "running totals of two scopes, never summed": (
            "test_totals_keep_their_scope",
            (
                "repository/test_lifetime_reference.py::"
                "test_reported_totals_are_the_newest_of_each_figure_and_never_summed"
            ),
            "repository/test_lifetime_reference.py::test_only_customer_scope_totals_are_the_customers",
        ),
        "total_paid holds tax and shipping: it is not net": (
            "test_what_was_paid_is_not_the_orders_total_nor_its_net",
        ),
        "more than one successful transaction on a created order is a renewal": (
            "test_the_first_order_is_50_and_the_renewal_20_less_20",
            (
                "sinks/lifetime/test_orders_published.py::"
                "test_the_ciklik_order_of_the_third_transaction_is_a_renewal"
            ),
        ),
        "an abandoned cart is already abandoned; created is its creation, item is text": (
            "test_an_abandoned_cart_has_a_creation_an_owner_and_no_value",
        ),
        "profile answers are sensitive and go nowhere": ("test_profile_answers_go_nowhere",),
    },
    "gooten": {
        "items carry no id, and a SKU may repeat": (
            "test_a_repeated_sku_is_two_lines_without_ids",
        ),
        "statuses are compared without case": (
            "test_statuses_are_compared_without_case",
            "test_items_with_one_status_in_three_spellings_have_one_status_text",
            "repository/test_examples.py::test_the_items_of_an_order_go_from_new_to_delivered_in_any_case",
        ),
        "the newest is by arrival, and no lower status is dropped": (
            "test_a_status_that_goes_back_is_an_event_and_the_newest_by_its_arrival",
        ),
        "a price is of a unit or of a line": (
            "test_the_total_decides_whether_a_price_is_of_a_unit_or_of_a_line",
        ),
        "no tax field: null, not 0; 108.91 is 93.30 of items and 15.61 of shipping": (
            "test_the_sample_is_93_30_of_items_and_15_61_of_shipping",
        ),
        "the page's test button sends an unknown body (Run Free's too)": (
            "test_the_pages_test_button_sends_a_body_without_an_order",
            "processors/sources/test_run_free.py::test_an_unknown_event_is_named_in_the_reject",
            "repository/test_examples.py::test_a_body_that_must_be_rejected_names_its_reason_and_place",
        ),
        "address lines may be a blank": (
            "test_blank_address_lines_and_all_that_an_address_says_go_nowhere",
        ),
        "three identifiers, all kept": (
            "test_three_identifiers_are_kept_and_the_querys_is_part_of_the_digest",
        ),
        "a fulfilment partner's order stays out of lifetime value": (
            "test_the_sample_is_93_30_of_items_and_15_61_of_shipping",
            "sinks/lifetime/test_orders_published.py::test_orders",
        ),
    },
    "all": {
        "a cart that goes A, B, A says three things": (
            "processors/test_dedupe.py::test_a_cart_that_goes_a_b_a_says_three_things",
            (
                "processors/test_decide.py::"
                "test_a_cart_that_goes_a_b_a_says_three_things_and_a_retry_of_the_last_none"
            ),
        ),
        "one delivery may come twice; an equal body is a retry where it carries its own time": (
            "processors/test_dedupe.py::test_content_asks_for_the_same_digest_and_state_for_the_latest_one",
        ),
        "money as text, whole number and fraction, rounded only beyond four decimals": (
            "processors/sources/readers/test_money.py::test_an_amount_is_what_was_given",
            "processors/sources/test_any_body.py::test_an_amount_is_only_ever_rounded_to_four_decimals",
        ),
        "naive times in the folds and gaps of daylight saving": (
            "processors/sources/readers/test_times.py::test_a_naive_time_is_of_the_shops_zone",
        ),
        "sentinels for no time": (
            "processors/sources/readers/test_times.py::test_a_time_not_given_is_null",
        ),
        "personal data stand nowhere but in contact": (
            "repository/test_examples.py::test_no_personal_data_stands_outside_of_contact",
            (
                "processors/sources/readers/test_attributes.py::"
                "test_whatever_is_given_only_listed_names_are_kept_and_the_others_are_noted"
            ),
        ),
    },
}
"""Platform -> the trap in words -> its tests: ``file::name`` under tests/unit, or the name of one
in the platform's own test file."""


def traps() -> dict[str, frozenset[str]]:
    """Every trap, with its platform before it, and its tests as ``file::name``."""
    return {
        f"{platform}: {words}": frozenset(_full(platform, test) for test in tests)
        for platform, told in TRAPS.items()
        for words, tests in told.items()
    }


def _full(platform: str, test: str) -> str:
    return (
        test if "::" in test else f"processors/sources/test_{platform.replace('-', '_')}.py::{test}"
    )


def shown(passed: Iterable[str]) -> list[str]:
    """The traps all of whose tests are among those passed."""
    ran = frozenset(passed)
    return [trap for trap, tests in traps().items() if tests <= ran]


def functions(file: str) -> set[str]:
    """The names of a test file's functions."""
    tree = ast.parse((UNIT / file).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}
