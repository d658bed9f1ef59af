-- Where the sinks stand: fences, link locks, signals on their way, rejects, watermark.
CREATE TABLE fences (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    cluster_id text,
    last_event_id text,
    holder text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
);
COMMENT ON TABLE fences IS 'How far each partition of the canonical topics stands in these tables: the authority for where the sinks go on.';
COMMENT ON COLUMN fences.topic IS 'Topic on the broker.';
COMMENT ON COLUMN fences.partition IS 'Partition.';
COMMENT ON COLUMN fences.next_offset IS 'Offset to read next; everything below it is in the tables.';
COMMENT ON COLUMN fences.cluster_id IS 'Kafka cluster that the offsets belong to; null before the first batch.';
COMMENT ON COLUMN fences.last_event_id IS 'Event id (header of the record) at next_offset - 1; null where that record had none.';
COMMENT ON COLUMN fences.holder IS 'Session that last took the partition over.';
COMMENT ON COLUMN fences.updated_at IS 'When a transaction last moved it (this server''s clock).';

CREATE TABLE link_keys (
    link_key text PRIMARY KEY,
    is_cart boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70);
COMMENT ON TABLE link_keys IS 'Keys that link carts, orders and customers. A transaction locks those it touches, also of rows that do not exist yet.';
COMMENT ON COLUMN link_keys.link_key IS 'The key.';
COMMENT ON COLUMN link_keys.is_cart IS 'True once a cart carries the key: only then an order with it can close one.';

CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    signal_id uuid NOT NULL UNIQUE,
    cart_key text NOT NULL,
    record jsonb NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE outbox IS 'Signals found by the sinks and not yet known to stand in Kafka.';
COMMENT ON COLUMN outbox.position IS 'Order in which they are sent.';
COMMENT ON COLUMN outbox.signal_id IS 'UUIDv5 of cart, generation, kind and the abandoned_at it speaks of.';
COMMENT ON COLUMN outbox.cart_key IS 'The cart; the record''s key.';
COMMENT ON COLUMN outbox.record IS 'The signal, field by field as its Avro record.';
COMMENT ON COLUMN outbox.written_at IS 'When it was found (this server''s clock).';

CREATE TABLE sent_signals (
    signal_id uuid PRIMARY KEY,
    sent_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sent_signals IS 'Signals that stand in Kafka: kept apart from what a rebuild replaces, so that none is sent twice.';
COMMENT ON COLUMN sent_signals.signal_id IS 'The signal.';
COMMENT ON COLUMN sent_signals.sent_at IS 'When Kafka had acknowledged it (this server''s clock).';

CREATE TABLE sink_rejects (
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    event_id text,
    record_key bytea,
    record_value bytea,
    reason text NOT NULL,
    detail text NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, record_offset)
);
COMMENT ON TABLE sink_rejects IS 'Canonical records that could not be stored, whole, for a replay after a fix.';
COMMENT ON COLUMN sink_rejects.topic IS 'Topic of the record.';
COMMENT ON COLUMN sink_rejects.partition IS 'Partition of the record.';
COMMENT ON COLUMN sink_rejects.record_offset IS 'Offset of the record.';
COMMENT ON COLUMN sink_rejects.event_id IS 'Event id, where its header could be read.';
COMMENT ON COLUMN sink_rejects.record_key IS 'The record''s key.';
COMMENT ON COLUMN sink_rejects.record_value IS 'The record''s bytes.';
COMMENT ON COLUMN sink_rejects.reason IS 'decode, or the SQLSTATE that refused it.';
COMMENT ON COLUMN sink_rejects.detail IS 'What was wrong, without the record''s content.';
COMMENT ON COLUMN sink_rejects.rejected_at IS 'When (this server''s clock).';

CREATE TABLE watermark (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    at timestamptz,
    state jsonb NOT NULL,
    holder text NOT NULL DEFAULT '',
    since timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE watermark IS 'One row: up to when everything that was appended stands in these tables.';
COMMENT ON COLUMN watermark.is_only IS 'Always true: there is one row.';
COMMENT ON COLUMN watermark.at IS 'The watermark on the broker''s clock; null before the first barrier has passed.';
COMMENT ON COLUMN watermark.state IS 'Heartbeats read so far and the barrier on its way.';
COMMENT ON COLUMN watermark.holder IS 'What holds it; empty where nothing does.';
COMMENT ON COLUMN watermark.since IS 'Since when it is held, on the broker''s clock.';
COMMENT ON COLUMN watermark.updated_at IS 'When it was last looked at (this server''s clock).';

CREATE TABLE shops (
    source text NOT NULL,
    shop text NOT NULL,
    first_received_at timestamptz NOT NULL,
    PRIMARY KEY (source, shop)
);
COMMENT ON TABLE shops IS 'Shops as their events show them.';
COMMENT ON COLUMN shops.source IS 'Platform.';
COMMENT ON COLUMN shops.shop IS 'The shop''s id.';
COMMENT ON COLUMN shops.first_received_at IS 'When the ingress received the first delivery that became an event.';

