-- What a platform tells that the view does not list; how far t reaches.
CREATE OR REPLACE VIEW coverage AS
WITH platforms (source, tells_carts, tells_refunds, tells_cancellations) AS (
    VALUES ('run-free', true, false, false), ('shoprocket', true, true, true),
        ('spiffy', true, true, true), ('ciklik', true, false, false),
        ('gooten', false, false, false)
), shown AS (
    SELECT source, bool_or(abandoned_carts_count IS NOT NULL) AS tells_carts,
        bool_or(refunds_observable) AS tells_refunds
    FROM customer_lifetime_value GROUP BY source
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
SELECT shops.source, shops.shop, shops.first_received_at,
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
    coalesce(left_behind.carts_without_customer, 0) AS carts_without_customer
FROM shops LEFT JOIN platforms USING (source) LEFT JOIN shown USING (source)
LEFT JOIN sold USING (source, shop) LEFT JOIN left_behind USING (source, shop);
COMMENT ON VIEW coverage IS 'By shop: what its platform cannot tell, and what is missing in what it told. The first stands in the view: no row shows it, a shop without carts and a platform that tells none look alike. Of a platform added since, it is what its customers'' rows show.';
COMMENT ON COLUMN coverage.tells_carts IS 'True where the platform tells of carts; null while nothing shows it.';
COMMENT ON COLUMN coverage.tells_refunds IS 'True where the platform''s order events tell refunds; null while nothing shows it.';
COMMENT ON COLUMN coverage.tells_cancellations IS 'True where the platform tells later cancellations; null where not known.';

COMMENT ON COLUMN customer_lifetime_value.t IS 'Days from the first of those days to as_of; to the last of them where that lies after as_of.';
COMMENT ON COLUMN customer_lifetime_value.ineligible_reason IS 'Why there is no net, cohort or prediction: no-counted-order; only-renewals (they count in net, not in frequency); items-unknown or tax-unknown of an order without net; history-incomplete.';
