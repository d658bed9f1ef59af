"""The rows of the platforms, and the reader that follows what a row says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import sources
from ingest.entity_keys.json_ids import MAX_NAME, at_paths
from processors.sources import ADAPTERS
from schemas.platforms import PLATFORMS, PROOFS, Platform, providing
from sinks.carts.links import link_keys

READ = at_paths("meta.event", {"order": "data.id", "cart": "data.cart.token"})


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=lambda row: row.name)
def test_a_row_holds_only_what_others_understand(platform: Platform) -> None:
    assert platform.proof in PROOFS
    assert platform.proof == "token" or platform.proof_header
    assert platform.provides <= {"carts", "payments", "subscriptions"}
    assert platform.refunds_from in {"", "orders", "payments"}
    told: dict[str, Any] = dict.fromkeys(platform.carts_named_by, "1")
    assert len(link_keys(platform.name, "s", **told)) == len(told)


def test_every_row_has_its_adapter_and_its_source() -> None:
    assert list(ADAPTERS) == list(PLATFORMS) == list(sources.SOURCES)


def test_what_the_five_tell() -> None:
    refunds_from = {name: row.refunds_from for name, row in PLATFORMS.items() if row.refunds_from}
    assert refunds_from == {"shoprocket": "orders", "spiffy": "orders", "ciklik": "payments"}
    assert [name for name, row in PLATFORMS.items() if not row.totals_count_orders] == ["ciklik"]
    assert providing("carts") == {"run-free", "shoprocket", "spiffy", "ciklik"}
    assert providing("subscriptions") == {"ciklik"}
    assert providing("payments") == set(PLATFORMS) - {"gooten"}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"meta":{"event":"order.paid"},"data":{"id":5}}', ("order.paid", "order:5")),
        (
            b' {"data": {"id": 90071992547409931}, "meta": {"event": "order.paid"}} ',
            ("order.paid", "order:90071992547409931"),
        ),
        (
            b'{"meta":{"event":"cart.changed"},"data":{"id":1,"cart":{"token":"t"}}}',
            ("cart.changed", "cart:t"),
        ),
        (b'{"meta":{"event":"order.paid"},"data":{}}', ("order.paid", None)),
        (b'{"meta":{"event":"order.paid"},"data":{"id":1.5}}', ("order.paid", None)),
        (b'{"meta":{"event":"order.paid"},"data":[1]}', ("order.paid", None)),
        (b'{"meta":{"event":"ping"},"data":{"id":5}}', ("ping", None)),
        (b'{"meta":{"event":"!"},"data":{"id":5}}', ("!", None)),
        (b'{"meta":5,"data":{"id":5}}', ("", None)),
        (b'{"meta":{"event":"order.paid"},"data":', ("", None)),
        (b"", ("", None)),
        (b"<order/>", ("", None)),
        (b'{"meta":{"event":"\xff"}}', ("", None)),
    ],
)
def test_event_and_entity_are_read_at_the_paths_of_the_row(body: bytes, found: Any) -> None:
    assert READ("", body) == found


def test_an_event_named_outside_the_body_leads_to_the_id_too() -> None:
    read = at_paths("", {"orders": "id"})
    assert read("orders/create", b'{"id":"a-7"}') == ("orders/create", "orders:a-7")
    assert read("orders/create", b"nothing") == ("orders/create", None)


def test_an_absurd_name_or_id_is_not_taken() -> None:
    long = "o" * (MAX_NAME + 1)
    assert READ("", json.dumps({"meta": {"event": long}}).encode()) == ("", None)
    told = {"meta": {"event": "order.paid"}, "data": {"id": long}}
    assert READ("", json.dumps(told).encode()) == ("order.paid", None)


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["meta", "event", "data", "id", "cart", "token"]), inner)
    ),
    max_leaves=10,
)


@given(nested.map(lambda told: json.dumps(told).encode()) | st.binary(max_size=60))
def test_the_reader_never_raises(body: bytes) -> None:
    event, entity = READ("", body)
    assert entity is None or event.startswith(entity.partition(":")[0])


@pytest.mark.parametrize("opening", [b"[", b'{"data":', b'{"meta":'])
def test_the_reader_of_deep_bodies_never_raises(opening: bytes) -> None:
    assert READ("", opening * 100_000) == ("", None)
    assert READ("", b'{"meta":{"event":"order.x"},"data":' + opening * 100_000)[1] is None
