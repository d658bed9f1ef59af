"""What the pages of ``docs/topics`` say beside the declarations: purposes, headers, JSON fields.

A topic, a header or a field that is missing here ends the generator, so nothing is left out.
"""

from schemas import envelopes

PURPOSES = {
    "hookline.webhooks": "The log of record. A sender is answered 200 once its delivery is here,"
    " and everything else is made from it. Read it to see the bytes that a platform sent; to act on"
    " an event read its canonical topic.",
    "hookline.ingress": "From the heartbeats the sinks know that no ingress is down or behind, so"
    " that a cart's silence is the customer's and not an outage.",
    "hookline.decisions": "What operators decided once and every worker has to know: ranges of"
    " offsets that are lost for good, logs that begin later than they should, and the fingerprint"
    " of the key of e-mail hashes.",
    "hookline.erasures": "The ledger of people who were erased. It is applied to every event that"
    " is made or read again, so that a rebuild or a restored backup brings nobody back.",
    "hookline.carts": "Each state of a cart that a platform reported. Whether a cart is abandoned"
    " is not here: it depends on silence and on later orders, and is on"
    " [hookline.cart-signals](cart-signals.md).",
    "hookline.orders": "Each state of an order, with lines, money and refunds. Read it to act when"
    " an order is placed, paid, changed or cancelled; for what an order is worth now read the table"
    " `orders`.",
    "hookline.customers": "Each state of a customer, without contact data: ids, the keyed hash of"
    " the e-mail address, consent, running totals that the platform keeps.",
    "hookline.contacts": "The only canonical topic with contact data, so that it alone has to be"
    " deleted and guarded. The newest of each customer is in the table `customer_contacts`.",
    "hookline.subscriptions": "Each state of a subscription: its status, its plan's lines, when it"
    " bills next.",
    "hookline.payments": "Transactions, invoices, refunds and credits. They explain an order's"
    " money; net revenue is computed from orders and their refunds, never from payments.",
    "hookline.shipments": "Parcels and their states. One delivery can carry several, each in a"
    " slot of its own.",
    "hookline.consents": "Whether a customer may be contacted, where a platform reports it as an"
    " event of its own.",
    "hookline.duplicates": "The proof that a repeated delivery was recognised: it names what the"
    " delivery repeats and by which rule. `hookline audit` counts it.",
    "hookline.dead-letters": "Each delivery that no event could be made of, complete, so that it"
    " can be processed again after a fix: `hookline dead list`, `show`, `replay`, `discard`.",
    "hookline.cart-signals": "The topic for reminders and audiences: a cart was abandoned; later an"
    " order recovered it, a late delivery retracted it, or it expired. Each signal is sent once,"
    " and those of one cart in order.",
}

RIGHTS_OF = {
    "ingest": "ingest",
    "process": "processors",
    "sink": "sinks",
    "operator": "operators",
}
"""Principal -> how the pages call it. Those who only create topics are left out."""

RAW_HEADERS = {
    envelopes.DELIVERY: ("text, UUIDv7", "id of the delivery; `meta.delivery_id` of its events"),
    envelopes.SOURCE: ("text", "platform"),
    envelopes.SHOP: ("text", "the shop's id in `shops.toml`"),
    envelopes.EVENT: ("text", "the platform's own name of the event; empty if unreadable"),
    envelopes.RECEIVED_US: ("decimal digits", "receipt by the ingress's clock, microseconds (UTC)"),
    envelopes.CONTENT_TYPE: ("text", "`Content-Type` as sent"),
    envelopes.CONTENT_ENCODING: ("text", "`identity` or `gzip`: how the value is encoded"),
    envelopes.QUERY: ("text, URL-encoded", "the query without secrets"),
    envelopes.SHOP_HEADER: ("text", "only where the platform's own shop header names another shop"),
    envelopes.TRACEPARENT: ("text", "only if sent: W3C Trace Context"),
    envelopes.REPLAY_OF: ("text", "of a replay only: its dead letter, `partition:offset`"),
    envelopes.ORIGINAL: ("text", "of a replay only: `partition:offset:append-ms` of its first"),
    envelopes.IMPORT: ("text", "of an import only: `import:row:at:state_at[:history_from]`"),
}
OUTCOME_HEADERS = {
    envelopes.RAW_OFFSET: ("decimal digits", "offset of the raw record, in the same partition"),
    envelopes.RAW_TIME: ("decimal digits", "append time of the raw record, milliseconds"),
    envelopes.SLOT: ("text", "this record's name in its delivery"),
    envelopes.SLOTS: ("text", "all names of the delivery, in order, with commas"),
    envelopes.ENTITY: ("text", "entity of the delivery's main record"),
    envelopes.DIGEST: ("16 bytes", "by which repeats are found; shown here in hexadecimal"),
    envelopes.DELIVERY: ("text, UUIDv7", "id of the delivery"),
    envelopes.ADAPTER: ("decimal digits", "version of the adapter that made it"),
    envelopes.REPLAY_OF: ("text", "of a replay only: its dead letter, `partition:offset`"),
    envelopes.TRACEPARENT: ("text", "only if sent: W3C Trace Context, to be continued"),
    envelopes.SEEN_BEFORE: (
        "text",
        "of a repeated body only: `other-topic` or `state`, `:`, its raw offset then",
    ),
}
_CONNECT = "a copy under Kafka Connect's name, for tools that know it"
DEAD_HEADERS = {
    envelopes.RAW_PARTITION: ("decimal digits", "partition of the raw record"),
    envelopes.STAGE: (
        "text",
        "step that refused it: `inflate`, `parse`, `transform`, `encode` …",
    ),
    envelopes.REASON: ("text", "one of " + ", ".join(f"`{each}`" for each in envelopes.Reason)),
    envelopes.FIELD_PATH: ("text", "the offending field, `items[0].cost`, or a byte: `@17`"),
    envelopes.DETAIL: ("text", "for people; at most 8 KiB"),
    **{
        f"{envelopes.CONNECT}{name}": ("text", _CONNECT)
        for name in (
            "topic",
            "partition",
            "offset",
            "connector.name",
            "stage",
            "class.name",
            "exception.class.name",
            "exception.message",
        )
    },
}
HEADERS = {
    "hookline.webhooks": RAW_HEADERS,
    "hookline.dead-letters": {**RAW_HEADERS, **OUTCOME_HEADERS, **DEAD_HEADERS},
    "hookline.duplicates": OUTCOME_HEADERS,
}
NO_HEADERS = (
    "hookline.ingress",
    "hookline.decisions",
    "hookline.erasures",
    "hookline.cart-signals",
)

JSON_FIELDS = {
    "Heartbeat": {
        "ingress": "id of the process",
        "started": "its start, microseconds of its own clock",
        "at": "time of the heartbeat, microseconds of its own clock",
        "healthy": "Kafka acknowledged in time all that was sent since the last heartbeat",
        "in_flight": "bytes of bodies not yet acknowledged",
        "accepted": "deliveries since the start, by `source/shop`",
    },
    "AcceptedLoss": {
        "partition": "of `hookline.webhooks`",
        "first": "first offset that is lost",
        "until": "the offset after the last",
        "at": "when it was accepted, microseconds of the operator's clock",
    },
    "ContactKey": {
        "fingerprint": "16 hexadecimal digits; the key cannot be found from it",
        "replaces": "the fingerprint before; null for the first of the log",
        "at": "microseconds of the writer's clock",
    },
    "AcceptedHorizon": {
        "partition": "of the outcome topics",
        "starts": "first offset that each log held, by topic",
        "at": "microseconds of the operator's clock",
    },
    "Erasure": {
        "subject": "keyed hash of the address, or a customer key",
        "spans": "oldest first: pseudonym, erased at, allowed again at (or null), in microseconds",
        "because": "the operator's reason",
    },
    "Rotation": {
        "before": "hash of one address under the key before",
        "hashed": "its hash under the key of now",
        "at": "microseconds of the operator's clock",
    },
    "Duplicate": {
        "source": "platform",
        "shop": "the shop's id",
        "event": "the platform's own name of the event",
        "entity": "what the delivery is about",
        "delivery_id": "id of the repeated delivery",
        "raw_partition": "partition of its raw record",
        "raw_offset": "offset of its raw record",
        "rule": "`content` or `state`: how it was recognised ([glossary](../glossary.md))",
        "repeats_raw_offset": "offset of the delivery that it repeats, in the same partition",
        "repeats_appended_ms": "append time of that delivery, milliseconds",
    },
}
EXAMPLES = {
    "carts": "run-free/cart-change",
    "orders": "run-free/order-created",
    "customers": "spiffy/customers-create",
    "subscriptions": "ciklik/created_subscription",
    "payments": "ciklik/created_checkouttransaction",
    "shipments": "gooten/order-item-changed-3-shipped",
    "consents": "ciklik/created_optin",
    "contacts": "run-free/customer-created",
}
"""Record -> the example delivery of ``tests/examples`` whose expected event the page shows."""

PLAIN = {
    "told": "given",
    "tells": "gives",
    "tell": "give",
    "says": "reports",
    "said": "stated",
    "say": "show",
    "word": "text",
    "words": "texts",
    "stands": "is",
    "stand": "are",
}
"""Words in the docs of committed schemas, which nobody edits, and the ones that pages use."""
