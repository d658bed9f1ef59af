-- Carts: orders cancelled later, carts merged at login, whom to write to.
ALTER TABLE cart_generations ADD COLUMN order_standing text;
ALTER TABLE abandoned_carts ADD COLUMN order_standing text;
UPDATE cart_generations g
SET order_standing = o.standing,
    fold = g.fold || jsonb_build_object('order_standing', o.standing)
FROM orders o WHERE o.order_key = g.order_key;
UPDATE abandoned_carts a SET order_standing = o.standing
FROM orders o WHERE o.order_key = a.order_key;
-- Spiffy's carts name no customer.
UPDATE customer_lifetime_value SET abandoned_carts_count = NULL WHERE source = 'spiffy';

COMMENT ON COLUMN abandoned_carts.order_standing IS 'Standing of that order: COUNTED, PENDING or CANCELLED, NOT_A_SALE where the shop''s orders are no sales; null without an order.';
COMMENT ON COLUMN cart_generations.order_standing IS 'Standing of that order: COUNTED, PENDING or CANCELLED, NOT_A_SALE where the shop''s orders are no sales; null without an order.';
COMMENT ON COLUMN abandoned_carts.recovered_value IS 'Newest net of the whole order, not only of the cart''s items; 0 where it was cancelled, null if the currencies differ.';
COMMENT ON COLUMN cart_generations.recovered_value IS 'Newest net of the whole order, not only of the cart''s items; 0 where it was cancelled, null if the currencies differ.';
COMMENT ON COLUMN customer_lifetime_value.abandoned_carts_count IS 'Rows in abandoned_carts, tests apart; null where the platform reports no carts, or its carts name no customer.';

-- A cart is merged into another cart of the same person if that one held all its items before
-- this one would have been called abandoned, or within 30 minutes after it was emptied.
CREATE OR REPLACE VIEW daily_cart_rates AS
WITH candidates AS (
    SELECT cart_key, generation, source, shop, coalesce(person_key, customer_key) AS person, items,
        last_activity_at,
        CASE status WHEN 'EMPTIED' THEN closed_at + interval '30 minutes'
            WHEN 'ACTIVE' THEN next_due ELSE abandoned_at END AS merged_before
    FROM cart_generations
    WHERE detection = 'TIMER' AND NOT is_test AND item_count >= 1 AND order_key IS NULL
        AND coalesce(person_key, customer_key) IS NOT NULL
), merged AS (
    SELECT DISTINCT c.cart_key, c.generation
    FROM candidates c
    JOIN cart_generations other ON other.source = c.source AND other.shop = c.shop
        AND coalesce(other.person_key, other.customer_key) = c.person
        AND other.cart_key <> c.cart_key AND other.detection = 'TIMER' AND NOT other.is_test
        AND other.item_count >= 1
        AND other.first_seen_at < c.merged_before AND other.last_activity_at > c.last_activity_at
    JOIN cart_activity a ON a.cart_key = other.cart_key AND a.occurred_at > c.last_activity_at
        AND a.occurred_at < c.merged_before AND jsonb_typeof(a.activity -> 'items') = 'array'
    WHERE NOT EXISTS (
        SELECT FROM (
            SELECT coalesce(line ->> 'variant_id', line ->> 'product_id', line ->> 'sku',
                line ->> 'name') AS goods,
                sum(coalesce((line ->> 'quantity')::numeric, 1)) AS units
            FROM jsonb_array_elements(c.items) line GROUP BY goods
        ) own LEFT JOIN (
            SELECT coalesce(line ->> 'variant_id', line ->> 'product_id', line ->> 'sku',
                line ->> 'name') AS goods,
                sum(coalesce((line ->> 'quantity')::numeric, 1)) AS units
            FROM jsonb_array_elements(a.activity -> 'items') line GROUP BY goods
        ) held USING (goods)
        WHERE own.units > coalesce(held.units, 0)
    )
), linked AS (
    SELECT shop_carts.source, shop_carts.shop,
        EXISTS (
            SELECT FROM orders o WHERE o.source = shop_carts.source
                AND o.shop = shop_carts.shop AND o.links <> '{}'
        ) OR NOT EXISTS (
            SELECT FROM orders o WHERE o.source = shop_carts.source AND o.shop = shop_carts.shop
        ) AS names_carts
    FROM (SELECT DISTINCT source, shop FROM cart_generations) shop_carts
), counted AS (
    SELECT g.source, g.shop, (g.first_seen_at AT TIME ZONE g.timezone)::date AS day,
        g.abandon_count >= 1 AS abandoned,
        g.abandon_count >= 1 AND g.status = 'RECOVERED'
            AND g.order_standing IN ('COUNTED', 'PENDING') AS recovered,
        g.next_due
    FROM cart_generations g
    WHERE g.detection = 'TIMER' AND NOT g.is_test AND g.item_count >= 1
        AND NOT EXISTS (
            SELECT FROM merged m WHERE m.cart_key = g.cart_key AND m.generation = g.generation
        )
)
SELECT source, shop, day, count(*) AS carts,
    count(*) FILTER (WHERE abandoned) AS abandoned,
    CASE WHEN names_carts THEN count(*) FILTER (WHERE recovered) END AS recovered,
    round(count(*) FILTER (WHERE abandoned)::numeric / count(*), 4) AS abandonment_rate,
    CASE WHEN names_carts THEN round(
        count(*) FILTER (WHERE recovered)::numeric
        / nullif(count(*) FILTER (WHERE abandoned), 0), 4
    ) END AS recovery_rate,
    bool_or(next_due IS NOT NULL) AS is_provisional
FROM counted JOIN linked USING (source, shop)
GROUP BY source, shop, day, names_carts;
COMMENT ON VIEW daily_cart_rates IS 'Abandonment and recovery by the day on which a cart was first seen, in the shop''s zone. Carts of one person that were merged (at login) count once. Shops whose platform itself reports abandoned carts have no denominator and are left out.';
COMMENT ON COLUMN daily_cart_rates.recovered IS 'Abandoned ones that an order closed which still counts or is pending; null where the shop''s orders name no cart and no customer at all.';
COMMENT ON COLUMN daily_cart_rates.recovery_rate IS 'recovered / abandoned; null where none was abandoned, or recovered is null.';

CREATE VIEW carts_to_contact AS
SELECT a.cart_key, a.generation, a.source, a.shop, a.native_cart_id, a.customer_key, a.person_key,
    a.abandoned_at, a.item_count, a.items, a.cart_value, a.currency
FROM abandoned_carts a
WHERE a.status = 'ABANDONED' AND a.is_contactable AND NOT a.is_test
    AND NOT EXISTS (
        SELECT FROM customers c WHERE c.customer_key = a.customer_key AND c.is_deleted
    )
    AND NOT EXISTS (
        SELECT FROM orders o WHERE o.customer_key = a.customer_key
            AND o.placed_at >= coalesce(a.last_activity_at, a.first_seen_at)
            AND o.standing IN ('COUNTED', 'PENDING') AND NOT o.is_renewal
    )
    AND NOT EXISTS (
        SELECT FROM customers c JOIN orders o USING (customer_key)
        WHERE c.person_key = a.person_key
            AND o.placed_at >= coalesce(a.last_activity_at, a.first_seen_at)
            AND o.standing IN ('COUNTED', 'PENDING') AND NOT o.is_renewal
    );
COMMENT ON VIEW carts_to_contact IS 'Carts that are abandoned now, of customers whose newest consent is yes and who have ordered nothing since the cart''s last activity, in any shop and under any customer id of the same person. Renewals of a subscription are no orders of this kind.';
COMMENT ON COLUMN carts_to_contact.cart_key IS 'The cart: source/shop/cart:id.';
COMMENT ON COLUMN carts_to_contact.generation IS 'Which life of the cart, from 1.';
COMMENT ON COLUMN carts_to_contact.source IS 'Platform.';
COMMENT ON COLUMN carts_to_contact.shop IS 'The shop''s id.';
COMMENT ON COLUMN carts_to_contact.native_cart_id IS 'The platform''s own cart id.';
COMMENT ON COLUMN carts_to_contact.customer_key IS 'Whose cart it is.';
COMMENT ON COLUMN carts_to_contact.person_key IS 'The customer''s newest e-mail hash: links shops, merges no customers.';
COMMENT ON COLUMN carts_to_contact.abandoned_at IS 'Latest abandonment.';
COMMENT ON COLUMN carts_to_contact.item_count IS 'Units in the last non-empty state.';
COMMENT ON COLUMN carts_to_contact.items IS 'Lines of the last non-empty state.';
COMMENT ON COLUMN carts_to_contact.cart_value IS 'Value of the last non-empty state, only from prices that the cart gives.';
COMMENT ON COLUMN carts_to_contact.currency IS 'ISO 4217.';
