-- Views over the tables: what the platforms cannot tell, and the rates.
CREATE VIEW unattributed_orders AS
SELECT order_key, source, shop, placed_at, currency, standing, gross, discounts, refunded, net,
    pending, source_event_id, raw_partition, raw_offset
FROM orders
WHERE standing IN ('COUNTED', 'PENDING', 'CANCELLED')
    AND (customer_key IS NULL OR currency IS NULL);
COMMENT ON VIEW unattributed_orders IS 'Orders that no row of customer_lifetime_value holds, for want of a customer or a currency: table + these = all orders.';
COMMENT ON COLUMN unattributed_orders.order_key IS 'The order: source/shop/order:id.';
COMMENT ON COLUMN unattributed_orders.source IS 'Platform.';
COMMENT ON COLUMN unattributed_orders.shop IS 'The shop''s id.';
COMMENT ON COLUMN unattributed_orders.placed_at IS 'When it was placed.';
COMMENT ON COLUMN unattributed_orders.currency IS 'ISO 4217.';
COMMENT ON COLUMN unattributed_orders.standing IS 'What it is as money: COUNTED, PENDING or CANCELLED.';
COMMENT ON COLUMN unattributed_orders.gross IS 'Goods before discounts.';
COMMENT ON COLUMN unattributed_orders.discounts IS 'Discounts.';
COMMENT ON COLUMN unattributed_orders.refunded IS 'Goods part of refunds.';
COMMENT ON COLUMN unattributed_orders.net IS 'gross - discounts - refunded.';
COMMENT ON COLUMN unattributed_orders.pending IS 'What the net of a pending order would be.';
COMMENT ON COLUMN unattributed_orders.source_event_id IS 'Event that the row comes from.';
COMMENT ON COLUMN unattributed_orders.raw_partition IS 'Partition of that event''s raw record.';
COMMENT ON COLUMN unattributed_orders.raw_offset IS 'Offset of that event''s raw record.';

CREATE VIEW coverage AS
WITH platforms (source, tells_carts, tells_refunds, tells_cancellations) AS (
    VALUES ('run-free', true, false, false), ('shoprocket', true, true, true),
        ('spiffy', true, true, true), ('ciklik', true, false, false),
        ('gooten', false, false, false)
), sold AS (
    SELECT source, shop, count(*) AS orders,
        count(*) FILTER (WHERE customer_key IS NULL) AS orders_without_customer,
        count(*) FILTER (WHERE status = 'UNKNOWN') AS orders_of_unknown_status,
        count(*) FILTER (WHERE standing = 'NOT_A_SALE') AS orders_not_a_sale,
        count(*) FILTER (WHERE is_test) AS test_orders,
        count(*) FILTER (WHERE reason IS NOT NULL) AS orders_without_net
    FROM orders GROUP BY source, shop
), left_behind AS (
    SELECT source, shop, count(*) AS carts,
        count(*) FILTER (WHERE customer_key IS NULL) AS carts_without_customer
    FROM carts GROUP BY source, shop
)
SELECT shops.source, shops.shop, shops.first_received_at, platforms.tells_carts,
    platforms.tells_refunds, platforms.tells_cancellations,
    coalesce(sold.orders, 0) AS orders,
    coalesce(sold.orders_without_customer, 0) AS orders_without_customer,
    coalesce(sold.orders_of_unknown_status, 0) AS orders_of_unknown_status,
    coalesce(sold.orders_not_a_sale, 0) AS orders_not_a_sale,
    coalesce(sold.test_orders, 0) AS test_orders,
    coalesce(sold.orders_without_net, 0) AS orders_without_net,
    coalesce(left_behind.carts, 0) AS carts,
    coalesce(left_behind.carts_without_customer, 0) AS carts_without_customer
FROM shops LEFT JOIN platforms USING (source)
LEFT JOIN sold USING (source, shop) LEFT JOIN left_behind USING (source, shop);
COMMENT ON VIEW coverage IS 'By shop: what its platform cannot tell, and what is missing in what it told.';
COMMENT ON COLUMN coverage.source IS 'Platform.';
COMMENT ON COLUMN coverage.shop IS 'The shop''s id.';
COMMENT ON COLUMN coverage.first_received_at IS 'Receipt of the first delivery that became an event.';
COMMENT ON COLUMN coverage.tells_carts IS 'True where the platform tells of carts.';
COMMENT ON COLUMN coverage.tells_refunds IS 'True where the platform''s order events tell refunds.';
COMMENT ON COLUMN coverage.tells_cancellations IS 'True where the platform tells later cancellations.';
COMMENT ON COLUMN coverage.orders IS 'Orders, of every standing.';
COMMENT ON COLUMN coverage.orders_without_customer IS 'Orders that name no customer.';
COMMENT ON COLUMN coverage.orders_of_unknown_status IS 'Orders whose status word is none we know: pending until it is.';
COMMENT ON COLUMN coverage.orders_not_a_sale IS 'Orders of a shop whose orders repeat sales that a storefront reports.';
COMMENT ON COLUMN coverage.test_orders IS 'Test orders.';
COMMENT ON COLUMN coverage.orders_without_net IS 'Orders whose net cannot be known; orders.reason says why.';
COMMENT ON COLUMN coverage.carts IS 'Carts.';
COMMENT ON COLUMN coverage.carts_without_customer IS 'Carts that name no customer.';

CREATE VIEW daily_cart_rates AS
SELECT source, shop, (first_seen_at AT TIME ZONE timezone)::date AS day, count(*) AS carts,
    count(*) FILTER (WHERE abandon_count >= 1) AS abandoned,
    count(*) FILTER (WHERE abandon_count >= 1 AND status = 'RECOVERED') AS recovered,
    round(count(*) FILTER (WHERE abandon_count >= 1)::numeric / count(*), 4)
        AS abandonment_rate,
    round(
        count(*) FILTER (WHERE abandon_count >= 1 AND status = 'RECOVERED')::numeric
        / nullif(count(*) FILTER (WHERE abandon_count >= 1), 0), 4
    ) AS recovery_rate,
    bool_or(next_due IS NOT NULL) AS is_provisional
FROM cart_generations
WHERE detection = 'TIMER' AND NOT is_test AND item_count >= 1
GROUP BY source, shop, day;
COMMENT ON VIEW daily_cart_rates IS 'Abandonment and recovery by the day on which a cart was first seen, in the shop''s zone; shops whose platform itself reports abandoned carts have no denominator and are left out.';
COMMENT ON COLUMN daily_cart_rates.source IS 'Platform.';
COMMENT ON COLUMN daily_cart_rates.shop IS 'The shop''s id.';
COMMENT ON COLUMN daily_cart_rates.day IS 'Day of first_seen_at in the shop''s zone.';
COMMENT ON COLUMN daily_cart_rates.carts IS 'Cart generations with an item, tests apart.';
COMMENT ON COLUMN daily_cart_rates.abandoned IS 'Those abandoned at least once.';
COMMENT ON COLUMN daily_cart_rates.recovered IS 'Abandoned ones that an order closed.';
COMMENT ON COLUMN daily_cart_rates.abandonment_rate IS 'abandoned / carts.';
COMMENT ON COLUMN daily_cart_rates.recovery_rate IS 'recovered / abandoned; null where none was abandoned.';
COMMENT ON COLUMN daily_cart_rates.is_provisional IS 'True while one of the carts may still change by time alone.';
