-- What is missing from the tables: dead letters by shop and day; why there is no recovery.
CREATE TABLE dead_letter_counts (
    source text NOT NULL,
    shop text NOT NULL,
    day date NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    letters bigint NOT NULL,
    replayed bigint NOT NULL,
    discarded bigint NOT NULL,
    first_received_at timestamptz NOT NULL,
    last_received_at timestamptz NOT NULL,
    PRIMARY KEY (source, shop, day, kind, reason)
) WITH (fillfactor = 70);
COMMENT ON TABLE dead_letter_counts IS 'Dead letters by shop, day, kind and reason. The letters leave their topic after 34 days, the counts stay; a rebuild keeps them. Read dead_letters_by_day.';
COMMENT ON COLUMN dead_letter_counts.source IS 'Platform.';
COMMENT ON COLUMN dead_letter_counts.shop IS 'The shop''s id.';
COMMENT ON COLUMN dead_letter_counts.day IS 'Day on which the ingress received the deliveries, UTC.';
COMMENT ON COLUMN dead_letter_counts.kind IS 'What the deliveries are about: order, cart, customer, …; body where no id could be read.';
COMMENT ON COLUMN dead_letter_counts.reason IS 'Why no event could be made of them.';
COMMENT ON COLUMN dead_letter_counts.letters IS 'Dead letters; one more each time that a replay is refused again.';
COMMENT ON COLUMN dead_letter_counts.replayed IS 'Those that were replayed.';
COMMENT ON COLUMN dead_letter_counts.discarded IS 'Those that an operator discarded.';
COMMENT ON COLUMN dead_letter_counts.first_received_at IS 'Receipt of the first of them.';
COMMENT ON COLUMN dead_letter_counts.last_received_at IS 'Receipt of the last of them.';

CREATE TABLE dead_letter_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    last_event_id text,
    last_appended_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
);
COMMENT ON TABLE dead_letter_offsets IS 'How far each partition of the dead letters is in dead_letter_counts.';
COMMENT ON COLUMN dead_letter_offsets.topic IS 'Dead-letter topic on the broker.';
COMMENT ON COLUMN dead_letter_offsets.partition IS 'Partition.';
COMMENT ON COLUMN dead_letter_offsets.next_offset IS 'Offset to read next; everything below it is counted.';
COMMENT ON COLUMN dead_letter_offsets.last_event_id IS 'Event id of the record at next_offset - 1; null where none was read.';
COMMENT ON COLUMN dead_letter_offsets.last_appended_at IS 'When the broker appended the last counted record; in a recreated topic, newer ones are counted.';
COMMENT ON COLUMN dead_letter_offsets.updated_at IS 'When a transaction last moved it (this server''s clock).';

ALTER TABLE letter_marks ADD COLUMN is_counted boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN letter_marks.is_counted IS 'True where dead_letter_counts has the mark; false for marks of older versions until their letter is counted.';

CREATE VIEW dead_letters_by_day AS
SELECT source, shop, day, kind, reason, letters AS count,
    greatest(letters - replayed - discarded, 0) AS open,
    least(replayed + discarded, letters) AS settled,
    replayed, discarded, first_received_at, last_received_at
FROM dead_letter_counts;
COMMENT ON VIEW dead_letters_by_day IS 'What is missing from the tables: deliveries that were accepted, of which no event could be made. Open ones wait for a fix and `hookline dead replay`; `hookline dead list` shows each.';
COMMENT ON COLUMN dead_letters_by_day.source IS 'Platform.';
COMMENT ON COLUMN dead_letters_by_day.shop IS 'The shop''s id.';
COMMENT ON COLUMN dead_letters_by_day.day IS 'Day on which they were received, UTC.';
COMMENT ON COLUMN dead_letters_by_day.kind IS 'What they are about, so which table lacks them: order, cart, customer, …; body where no id could be read.';
COMMENT ON COLUMN dead_letters_by_day.reason IS 'Why no event could be made of them.';
COMMENT ON COLUMN dead_letters_by_day.count IS 'Dead letters; one more each time that a replay is refused again.';
COMMENT ON COLUMN dead_letters_by_day.open IS 'Those that nobody has settled: missing from the tables.';
COMMENT ON COLUMN dead_letters_by_day.settled IS 'replayed + discarded.';
COMMENT ON COLUMN dead_letters_by_day.replayed IS 'Those that were processed again; refused again, one is a further letter.';
COMMENT ON COLUMN dead_letters_by_day.discarded IS 'Those that an operator discarded: not in the tables, and not missed.';
COMMENT ON COLUMN dead_letters_by_day.first_received_at IS 'Receipt of the first of them.';
COMMENT ON COLUMN dead_letters_by_day.last_received_at IS 'Receipt of the last of them.';

CREATE OR REPLACE VIEW coverage AS
WITH platforms (source, tells_carts, tells_refunds, tells_cancellations, tells_discount_codes) AS (
    VALUES ('run-free', true, false, false, false), ('shoprocket', true, true, true, false),
        ('spiffy', true, true, true, true), ('ciklik', true, true, false, true),
        ('gooten', false, false, false, false)
), shown AS (
    SELECT source, bool_or(abandoned_carts_count IS NOT NULL) AS tells_carts,
        bool_or(refunds_observable) AS tells_refunds
    FROM customer_lifetime_value GROUP BY source
), sold AS (
    SELECT source, shop, count(*) AS orders,
        count(*) FILTER (WHERE customer_key IS NULL) AS orders_without_customer,
        count(*) FILTER (WHERE status = 'UNKNOWN' OR unknown_status) AS orders_of_unknown_status,
        count(*) FILTER (WHERE standing = 'NOT_A_SALE') AS orders_not_a_sale,
        count(*) FILTER (WHERE is_test) AS test_orders,
        count(*) FILTER (WHERE reason <> 'discount-exceeds-goods') AS orders_without_net,
        count(*) FILTER (WHERE links = '{}') AS orders_naming_no_cart,
        sum(rounded)::bigint AS rounded_amounts
    FROM orders GROUP BY source, shop
), left_behind AS (
    SELECT source, shop, count(*) AS carts,
        count(*) FILTER (WHERE customer_key IS NULL) AS carts_without_customer
    FROM carts GROUP BY source, shop
), refused AS (
    SELECT source, shop, sum(open)::bigint AS dead_letters_open,
        sum(settled)::bigint AS dead_letters_settled, max(day) AS last_dead_letter_on
    FROM dead_letters_by_day GROUP BY source, shop
)
SELECT source, shop, shops.first_received_at,
    coalesce(platforms.tells_carts, shown.tells_carts) AS tells_carts,
    coalesce(platforms.tells_refunds, shown.tells_refunds) AS tells_refunds,
    platforms.tells_cancellations,
    coalesce(sold.orders, 0) AS orders,
    coalesce(sold.orders_without_customer, 0) AS orders_without_customer,
    coalesce(sold.orders_of_unknown_status, 0) AS orders_of_unknown_status,
    coalesce(sold.orders_not_a_sale, 0) AS orders_not_a_sale,
    coalesce(sold.test_orders, 0) AS test_orders,
    coalesce(sold.orders_without_net, 0) AS orders_without_net,
    coalesce(left_behind.carts, 0) AS carts,
    coalesce(left_behind.carts_without_customer, 0) AS carts_without_customer,
    platforms.tells_discount_codes,
    coalesce(sold.orders_naming_no_cart, 0) AS orders_naming_no_cart,
    CASE
        WHEN coalesce(platforms.tells_carts, shown.tells_carts) IS FALSE THEN 'carts-not-reported'
        WHEN sold.orders_naming_no_cart = sold.orders THEN 'orders-name-no-cart'
    END AS no_recovery_reason,
    coalesce(sold.rounded_amounts, 0) AS rounded_amounts,
    coalesce(refused.dead_letters_open, 0) AS dead_letters_open,
    coalesce(refused.dead_letters_settled, 0) AS dead_letters_settled,
    refused.last_dead_letter_on
FROM shops FULL JOIN refused USING (source, shop)
LEFT JOIN platforms USING (source) LEFT JOIN shown USING (source)
LEFT JOIN sold USING (source, shop) LEFT JOIN left_behind USING (source, shop);
COMMENT ON VIEW coverage IS 'By shop: what its platform never reports, and what is missing in what it reported. The first is fixed in the view, since a shop without carts and a platform that reports none look alike in the rows. For a platform added later it is what its customers'' rows show. A shop whose every delivery is a dead letter has a row too.';
COMMENT ON COLUMN coverage.first_received_at IS 'Receipt of the first delivery that became an event; null where none did.';
COMMENT ON COLUMN coverage.tells_discount_codes IS 'True where the platform''s orders name their discount codes; null where not known.';
COMMENT ON COLUMN coverage.orders_naming_no_cart IS 'Orders that name neither a cart nor a customer by which a cart could be found: no cart is recovered by them.';
COMMENT ON COLUMN coverage.no_recovery_reason IS 'Why recovery is null, not 0: carts-not-reported (the platform reports no carts) or orders-name-no-cart (none of the shop''s orders does, so whether carts came back cannot be known); null where recovery is known.';
COMMENT ON COLUMN coverage.rounded_amounts IS 'Amounts of orders and their lines that were rounded to four decimals; the amount as given is in attributes of the events.';
COMMENT ON COLUMN coverage.dead_letters_open IS 'Accepted deliveries that are missing from the tables: no event could be made of them, and nobody has settled them. dead_letters_by_day shows days, kinds and reasons.';
COMMENT ON COLUMN coverage.dead_letters_settled IS 'Dead letters that were replayed or discarded since.';
COMMENT ON COLUMN coverage.last_dead_letter_on IS 'Day (UTC) on which the last dead letter was received, settled or not; null where there is none.';
