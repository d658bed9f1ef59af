-- For analysts: people, shop days, order numbers and intervals, products, codes, cohort value.
CREATE VIEW people AS
SELECT coalesce(person_key, customer_key) AS person_key, currency,
    array_agg(customer_key ORDER BY customer_key) AS customer_keys,
    count(*) AS customers, count(DISTINCT (source, shop)) AS shops,
    min(first_order_at) AS first_order_at, max(last_order_at) AS last_order_at,
    min(cohort_month) AS cohort_month, sum(orders_count)::bigint AS orders_count,
    -- A customer without orders has 0, which would hide another's unknown money.
    CASE WHEN max(orders_count) > 0 THEN sum(gross) FILTER (WHERE orders_count > 0)
        ELSE sum(gross) END AS gross,
    sum(discounts) AS discounts, sum(taxes) AS taxes,
    sum(shipping) AS shipping, sum(gift_cards_sold) AS gift_cards_sold,
    sum(refunded) AS refunded,
    CASE WHEN max(orders_count) > 0 THEN sum(net) FILTER (WHERE orders_count > 0)
        ELSE sum(net) END AS net,
    CASE WHEN bool_and(avg_order_value IS NOT NULL) FILTER (WHERE orders_count > 0) THEN
        half_even(sum(net)::numeric(38,12) / nullif(sum(orders_count), 0))
    END AS avg_order_value,
    sum(pending_revenue) AS pending_revenue, sum(cancelled_count)::bigint AS cancelled_count,
    sum(subscription_revenue) AS subscription_revenue, sum(renewal_revenue) AS renewal_revenue,
    sum(active_subscriptions)::bigint AS active_subscriptions,
    sum(abandoned_carts_count)::bigint AS abandoned_carts_count,
    bool_and(refunds_observable) AS refunds_observable,
    CASE WHEN bool_or(history_complete IS FALSE) THEN false
        WHEN bool_and(history_complete IS TRUE) THEN true END AS history_complete,
    max(as_of) AS as_of,
    min(ineligible_reason) FILTER (
        WHERE ineligible_reason IN ('items-unknown', 'tax-unknown', 'refund-unknown')
    ) AS reason
FROM customer_lifetime_value
GROUP BY 1, 2;
COMMENT ON VIEW people IS 'One row per person and currency: the rows of customer_lifetime_value whose customers have the same newest e-mail hash, in all shops, guests too, added up. A customer without an address is a person of its own, so the sum over people is the sum over customers.';
COMMENT ON COLUMN people.person_key IS 'The e-mail hash that the customers share; the customer''s own key where none is known.';
COMMENT ON COLUMN people.currency IS 'ISO 4217; currencies are never added up. Empty where neither payload nor shop names one.';
COMMENT ON COLUMN people.customer_keys IS 'The customers, by key.';
COMMENT ON COLUMN people.customers IS 'How many customers: one for each shop, customer id or guest address with a row in this currency.';
COMMENT ON COLUMN people.shops IS 'In how many shops.';
COMMENT ON COLUMN people.first_order_at IS 'First counted order in this currency, in any of the shops.';
COMMENT ON COLUMN people.last_order_at IS 'Last counted order in this currency.';
COMMENT ON COLUMN people.cohort_month IS 'Month of the first counted order in its shop''s zone, its first day.';
COMMENT ON COLUMN people.orders_count IS 'Counted orders.';
COMMENT ON COLUMN people.gross IS 'Goods before discounts, without tax, shipping and gift cards sold.';
COMMENT ON COLUMN people.discounts IS 'Discounts without tax; null where none is given.';
COMMENT ON COLUMN people.taxes IS 'Tax given; null = none given.';
COMMENT ON COLUMN people.shipping IS 'Shipping given; null = none given.';
COMMENT ON COLUMN people.gift_cards_sold IS 'Gift cards sold, apart from goods; null where no line shows whether it is one.';
COMMENT ON COLUMN people.refunded IS 'Goods part of refunds; null where none is given.';
COMMENT ON COLUMN people.net IS 'gross - discounts - refunded of the orders whose net is known; null where none is.';
COMMENT ON COLUMN people.avg_order_value IS 'net / orders_count; null where the net of one order is unknown.';
COMMENT ON COLUMN people.pending_revenue IS 'What pending orders would come to.';
COMMENT ON COLUMN people.cancelled_count IS 'Orders cancelled or deleted.';
COMMENT ON COLUMN people.subscription_revenue IS 'Net of all orders that name a subscription; a part of net. Null where there is none.';
COMMENT ON COLUMN people.renewal_revenue IS 'Net of renewals; a part of subscription_revenue. Null where there is none.';
COMMENT ON COLUMN people.active_subscriptions IS 'Subscriptions now active, on the row of the shop''s currency; null where no platform of the person reports any.';
COMMENT ON COLUMN people.abandoned_carts_count IS 'Rows in abandoned_carts, on the row of the shop''s currency; null where no platform of the person gives carts with customers.';
COMMENT ON COLUMN people.refunds_observable IS 'True where every platform of the person reports refunds.';
COMMENT ON COLUMN people.history_complete IS 'True if the whole history of every customer is known, false if that of one is not, else null.';
COMMENT ON COLUMN people.as_of IS 'Instant to which the rows are brought: the watermark''s day.';
COMMENT ON COLUMN people.reason IS 'Why an order is missing from net: items-unknown, tax-unknown or refund-unknown; null where none is.';

CREATE VIEW order_sequence AS
WITH sold AS (
    SELECT order_key, source, shop, order_number, customer_key, currency, placed_at,
        (placed_at AT TIME ZONE timezone)::date AS day, is_renewal, net,
        customer_key IS NOT NULL AND NOT is_renewal AS is_numbered
    FROM orders WHERE standing = 'COUNTED'
), numbered AS (
    SELECT *,
        CASE WHEN is_numbered THEN row_number() OVER each END AS number,
        CASE WHEN is_numbered THEN lag(order_key) OVER each END AS previous_order_key,
        CASE WHEN is_numbered THEN day - lag(day) OVER each END AS days_since_previous
    FROM sold
    WINDOW each AS (PARTITION BY customer_key, is_numbered ORDER BY placed_at, order_key)
)
SELECT n.order_key, n.source, n.shop, n.order_number, n.customer_key, v.person_key, n.currency,
    n.placed_at, n.day, n.is_renewal, n.number,
    CASE WHEN n.number > 1 THEN false WHEN n.number = 1 AND v.history_complete THEN true END
        AS is_first,
    n.previous_order_key, n.days_since_previous, n.net, v.history_complete
FROM numbered n LEFT JOIN customer_lifetime_value v USING (customer_key, currency);
COMMENT ON VIEW order_sequence IS 'Every counted order, with its number among the customer''s orders. Renewals of a subscription and orders without a customer have no number.';
COMMENT ON COLUMN order_sequence.order_key IS 'The order: source/shop/order:id.';
COMMENT ON COLUMN order_sequence.source IS 'Platform.';
COMMENT ON COLUMN order_sequence.shop IS 'The shop''s id.';
COMMENT ON COLUMN order_sequence.order_number IS 'The number that people see on the order.';
COMMENT ON COLUMN order_sequence.customer_key IS 'Who ordered; null where not given.';
COMMENT ON COLUMN order_sequence.person_key IS 'The customer''s newest e-mail hash: links shops, merges no customers.';
COMMENT ON COLUMN order_sequence.currency IS 'ISO 4217. Numbers count a customer''s orders in all currencies.';
COMMENT ON COLUMN order_sequence.placed_at IS 'When it was placed.';
COMMENT ON COLUMN order_sequence.day IS 'Day of placed_at in the shop''s zone.';
COMMENT ON COLUMN order_sequence.is_renewal IS 'True where a subscription billed again.';
COMMENT ON COLUMN order_sequence.number IS 'Number among the customer''s counted orders that we have, from 1, by placed_at; null for renewals and without a customer.';
COMMENT ON COLUMN order_sequence.is_first IS 'True for the customer''s first order, false for a repeated one; null where that cannot be known: number 1 of a customer whose whole history is not known, renewals, no customer.';
COMMENT ON COLUMN order_sequence.previous_order_key IS 'The order with the number before; null where there is none.';
COMMENT ON COLUMN order_sequence.days_since_previous IS 'Days between these two orders, in the shop''s zone; 0 on the same day.';
COMMENT ON COLUMN order_sequence.net IS 'gross - discounts - refunded of the order; null where it cannot be known.';
COMMENT ON COLUMN order_sequence.history_complete IS 'As in customer_lifetime_value: where not true, there may be earlier orders that we do not have.';

CREATE VIEW order_intervals AS
WITH days AS (
    SELECT customer_key, source, shop, (placed_at AT TIME ZONE timezone)::date AS day,
        max(timezone) AS timezone
    FROM orders
    WHERE standing = 'COUNTED' AND NOT is_renewal AND customer_key IS NOT NULL
    GROUP BY 1, 2, 3, 4
), gaps AS (
    SELECT *, day - lag(day) OVER each AS gap, row_number() OVER each AS number
    FROM days WINDOW each AS (PARTITION BY customer_key ORDER BY day)
), theirs AS (
    SELECT customer_key, source, shop, max(timezone) AS timezone, count(*) AS order_days,
        min(day) AS first_order_on, max(day) AS last_order_on,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY gap) AS median
    FROM gaps GROUP BY customer_key, source, shop
), of_shop AS (
    SELECT source, shop, count(*) AS gaps,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY gap) AS median
    FROM gaps WHERE number = 2 GROUP BY source, shop
), known AS (
    SELECT customer_key, max(person_key) AS person_key,
        bool_and(history_complete) AS history_complete,
        max(active_subscriptions) AS active_subscriptions, max(as_of) AS as_of
    FROM customer_lifetime_value GROUP BY customer_key
), expected AS (
    SELECT t.*, k.person_key, k.history_complete, k.active_subscriptions,
        (k.as_of AT TIME ZONE t.timezone)::date AS today,
        CASE WHEN t.order_days > 1 THEN 'CUSTOMER'
            WHEN s.median IS NOT NULL AND coalesce(k.active_subscriptions, 0) = 0 THEN 'SHOP'
        END AS interval_from,
        s.gaps AS gaps_of_shop, s.median AS median_of_shop
    FROM theirs t LEFT JOIN known k USING (customer_key)
    LEFT JOIN of_shop s USING (source, shop)
), dated AS (
    SELECT *,
        CASE interval_from WHEN 'CUSTOMER' THEN order_days - 1 WHEN 'SHOP' THEN gaps_of_shop END
            AS intervals,
        CASE interval_from WHEN 'CUSTOMER' THEN median WHEN 'SHOP' THEN median_of_shop
        END::numeric AS median_days
    FROM expected
)
SELECT customer_key, source, shop, person_key, history_complete, active_subscriptions,
    order_days, first_order_on, last_order_on, interval_from, intervals, median_days,
    last_order_on + round(median_days)::integer AS expected_on,
    today - (last_order_on + round(median_days)::integer) AS days_overdue
FROM dated;
COMMENT ON VIEW order_intervals IS 'One row per customer with a counted order that is no renewal: the days between order days, and when the next order would be expected. Orders of one day count as one, as in frequency.';
COMMENT ON COLUMN order_intervals.customer_key IS 'The customer.';
COMMENT ON COLUMN order_intervals.source IS 'Platform.';
COMMENT ON COLUMN order_intervals.shop IS 'The shop''s id.';
COMMENT ON COLUMN order_intervals.person_key IS 'The customer''s newest e-mail hash: links shops, merges no customers.';
COMMENT ON COLUMN order_intervals.history_complete IS 'As in customer_lifetime_value: where not true, there may be earlier orders that we do not have.';
COMMENT ON COLUMN order_intervals.active_subscriptions IS 'Subscriptions now active; null where the platform reports none.';
COMMENT ON COLUMN order_intervals.order_days IS 'Distinct days with an order, in the shop''s zone, renewals left out.';
COMMENT ON COLUMN order_intervals.first_order_on IS 'The first of them.';
COMMENT ON COLUMN order_intervals.last_order_on IS 'The last of them.';
COMMENT ON COLUMN order_intervals.interval_from IS 'Whose median it is: the CUSTOMER''s own with two order days or more; else the SHOP''s, of all its customers from their first order day to the second. Null where nobody in the shop came back, or an active subscription orders for the customer.';
COMMENT ON COLUMN order_intervals.intervals IS 'How many intervals the median rests on: of one or two expect little.';
COMMENT ON COLUMN order_intervals.median_days IS 'Median of the days between order days; null where interval_from is.';
COMMENT ON COLUMN order_intervals.expected_on IS 'last_order_on + median_days, in whole days; null where nothing is known.';
COMMENT ON COLUMN order_intervals.days_overdue IS 'Days from expected_on to the day of as_of; below 0 while it is still to come.';

-- Taken out of daily_cart_rates, so that shop_days counts the same carts.
CREATE VIEW merged_carts AS
WITH candidates AS (
    SELECT cart_key, generation, source, shop, coalesce(person_key, customer_key) AS person, items,
        last_activity_at,
        CASE status WHEN 'EMPTIED' THEN closed_at + interval '30 minutes'
            WHEN 'ACTIVE' THEN next_due ELSE abandoned_at END AS merged_before
    FROM cart_generations
    WHERE detection = 'TIMER' AND NOT is_test AND item_count >= 1 AND order_key IS NULL
        AND coalesce(person_key, customer_key) IS NOT NULL
)
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
);
COMMENT ON VIEW merged_carts IS 'Carts merged into another cart of the same person, as shops do at login: that one held all of their items before they would have been abandoned, or within 30 minutes after they were emptied.';
COMMENT ON COLUMN merged_carts.cart_key IS 'The cart: source/shop/cart:id.';
COMMENT ON COLUMN merged_carts.generation IS 'Which life of the cart, from 1.';

CREATE OR REPLACE VIEW daily_cart_rates AS
WITH linked AS (
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
            SELECT FROM merged_carts m WHERE m.cart_key = g.cart_key AND m.generation = g.generation
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

CREATE VIEW shop_days AS
WITH sold AS MATERIALIZED (
    SELECT source, shop, (placed_at AT TIME ZONE timezone)::date AS day,
        coalesce(currency, '') AS currency, customer_key, is_renewal, gross, discounts, taxes,
        shipping, gift_cards_sold, net, net + coalesce(refunded, 0) AS net_before_refunds
    FROM orders WHERE standing = 'COUNTED'
), sales AS (
    SELECT source, shop, day, currency, count(*) AS orders,
        count(*) FILTER (WHERE is_renewal) AS renewals,
        count(*) FILTER (WHERE net IS NULL) AS orders_without_net,
        count(*) FILTER (WHERE customer_key IS NULL) AS orders_without_customer,
        sum(gross) AS gross, sum(discounts) AS discounts, sum(taxes) AS taxes,
        sum(shipping) AS shipping, sum(gift_cards_sold) AS gift_cards_sold,
        sum(net_before_refunds) AS net_before_refunds, sum(net) AS net_of_orders
    FROM sold GROUP BY day, shop, currency, source
), firsts AS (
    SELECT customer_key, min(day) AS first_day FROM sold
    WHERE customer_key IS NOT NULL AND NOT is_renewal GROUP BY customer_key
), known AS (
    SELECT customer_key, bool_and(history_complete) AS history_complete
    FROM customer_lifetime_value GROUP BY customer_key
), buyers AS (
    SELECT source, shop, day, currency, count(*) AS customers,
        count(*) FILTER (WHERE day = first_day AND history_complete) AS new_customers,
        count(*) FILTER (WHERE day > first_day) AS returning_customers
    FROM (
        SELECT DISTINCT source, shop, day, currency, customer_key FROM sold
        WHERE customer_key IS NOT NULL AND NOT is_renewal
    ) bought JOIN firsts USING (customer_key) LEFT JOIN known USING (customer_key)
    GROUP BY day, shop, currency, source
), returned AS (
    SELECT source, shop, (refunded_at AT TIME ZONE timezone)::date AS day,
        coalesce(currency, '') AS currency, count(*) AS refunds, sum(net_effect) AS refunded
    FROM refunds WHERE is_counted GROUP BY 1, 2, 3, 4
), abandoned AS (
    SELECT source, shop, (abandoned_at AT TIME ZONE timezone)::date AS day,
        coalesce(currency, '') AS currency, count(*) AS carts
    FROM cart_generations g
    WHERE abandon_count >= 1 AND abandoned_at IS NOT NULL AND NOT is_test
        AND NOT EXISTS (
            SELECT FROM merged_carts m WHERE m.cart_key = g.cart_key AND m.generation = g.generation
        )
    GROUP BY 1, 2, 3, 4
), recovered AS (
    SELECT source, shop, (closed_at AT TIME ZONE timezone)::date AS day,
        coalesce(currency, '') AS currency, count(*) AS carts
    FROM cart_generations
    WHERE abandon_count >= 1 AND status = 'RECOVERED' AND NOT is_test
        AND order_standing IN ('COUNTED', 'PENDING')
    GROUP BY 1, 2, 3, 4
), of_shop AS (
    -- What a platform tells does not depend on whether an order still counts.
    SELECT source, shop,
        coalesce(
            bool_or(refunds_observable) FILTER (WHERE standing = 'COUNTED'),
            source IN ('shoprocket', 'spiffy', 'ciklik')
        ) AS refunds_observable,
        coalesce(bool_or(links <> '{}'), true) AS names_carts,
        EXISTS (
            SELECT FROM cart_generations g WHERE g.source = s.source AND g.shop = s.shop
        ) AS has_carts
    FROM shops s LEFT JOIN orders USING (source, shop) GROUP BY source, shop
), days AS (
    SELECT source, shop, day, currency, coalesce(orders, 0) AS orders,
        coalesce(renewals, 0) AS renewals, coalesce(orders_without_net, 0) AS orders_without_net,
        coalesce(orders_without_customer, 0) AS orders_without_customer,
        gross, discounts, taxes, shipping, gift_cards_sold, net_before_refunds, net_of_orders,
        coalesce(orders, 0) = 0 OR orders > orders_without_net AS is_known,
        coalesce(refunds, 0) AS refunds, coalesce(refunded, 0) AS refunded,
        coalesce(customers, 0) AS customers, coalesce(new_customers, 0) AS new_customers,
        coalesce(returning_customers, 0) AS returning_customers,
        coalesce(abandoned.carts, 0) AS carts_abandoned,
        coalesce(recovered.carts, 0) AS carts_recovered
    FROM sales FULL JOIN buyers USING (source, shop, day, currency)
    FULL JOIN returned USING (source, shop, day, currency)
    FULL JOIN abandoned USING (source, shop, day, currency)
    FULL JOIN recovered USING (source, shop, day, currency)
)
SELECT source, shop, day, nullif(currency, '') AS currency, orders, renewals, orders_without_net,
    CASE WHEN is_known THEN coalesce(gross, 0) END AS gross, discounts, taxes, shipping,
    gift_cards_sold, CASE WHEN is_known THEN coalesce(net_before_refunds, 0) END
        AS net_before_refunds,
    CASE WHEN refunds_observable THEN refunds END AS refunds,
    CASE WHEN refunds_observable THEN refunded END AS refunded,
    CASE WHEN is_known OR refunds > 0 THEN coalesce(net_before_refunds, 0) - refunded END AS net,
    CASE WHEN is_known THEN coalesce(net_of_orders, 0) END AS net_of_orders,
    customers, new_customers, returning_customers,
    customers - new_customers - returning_customers AS customers_of_unknown_history,
    orders_without_customer,
    CASE WHEN has_carts THEN carts_abandoned END AS carts_abandoned,
    CASE WHEN has_carts AND names_carts THEN carts_recovered END AS carts_recovered
FROM days JOIN of_shop USING (source, shop);
COMMENT ON VIEW shop_days IS 'One row per shop, day in the shop''s zone and currency on which something was ordered, refunded, abandoned or recovered. Counted orders by the day on which they were placed, refunds by the day on which they were made: net_before_refunds - refunded = net. Summed up over all days, net is the net of all orders.';
COMMENT ON COLUMN shop_days.source IS 'Platform.';
COMMENT ON COLUMN shop_days.shop IS 'The shop''s id.';
COMMENT ON COLUMN shop_days.day IS 'Day in the shop''s zone.';
COMMENT ON COLUMN shop_days.currency IS 'ISO 4217; currencies are never added up. Null where neither payload nor shop names one.';
COMMENT ON COLUMN shop_days.orders IS 'Counted orders placed on the day, renewals included.';
COMMENT ON COLUMN shop_days.renewals IS 'Renewals of subscriptions among them.';
COMMENT ON COLUMN shop_days.orders_without_net IS 'Those whose net cannot be known: none of their goods is in this row''s money.';
COMMENT ON COLUMN shop_days.gross IS 'Their goods before discounts, without tax, shipping and gift cards sold; null where no order''s is known.';
COMMENT ON COLUMN shop_days.discounts IS 'Their discounts without tax; null where none is given.';
COMMENT ON COLUMN shop_days.taxes IS 'Their tax; null where none is given.';
COMMENT ON COLUMN shop_days.shipping IS 'Their shipping; null where none is given.';
COMMENT ON COLUMN shop_days.gift_cards_sold IS 'Gift cards sold; null where no line shows whether it is one.';
COMMENT ON COLUMN shop_days.net_before_refunds IS 'gross - discounts: what the day''s orders came to before any refund.';
COMMENT ON COLUMN shop_days.refunds IS 'Refunds made on this day, of orders of any day; null where the platform reports none.';
COMMENT ON COLUMN shop_days.refunded IS 'What these take off the goods, without tax (net_effect); null where the platform reports none.';
COMMENT ON COLUMN shop_days.net IS 'net_before_refunds - refunded: what the day brought. Below 0 where more was given back than sold.';
COMMENT ON COLUMN shop_days.net_of_orders IS 'Newest net of the orders placed on this day, whenever their refunds were made. It changes with later refunds.';
COMMENT ON COLUMN shop_days.customers IS 'Customers with an order on this day in this currency, renewals left out. One who bought in two currencies is in both rows.';
COMMENT ON COLUMN shop_days.new_customers IS 'Those whose first order day in the shop it is, whole history known.';
COMMENT ON COLUMN shop_days.returning_customers IS 'Those who ordered on an earlier day.';
COMMENT ON COLUMN shop_days.customers_of_unknown_history IS 'Those whose first order that we have was on this day, but not their whole history is known: new or returning.';
COMMENT ON COLUMN shop_days.orders_without_customer IS 'Orders that name no customer: in none of these counts.';
COMMENT ON COLUMN shop_days.carts_abandoned IS 'Carts whose latest abandonment was on this day, tests and carts merged into another left out; null where the shop has no carts at all.';
COMMENT ON COLUMN shop_days.carts_recovered IS 'Abandoned carts closed on this day by an order that counts or is pending; null where the shop has no carts, or its orders name no cart and no customer.';

CREATE VIEW refunds_by_day AS
SELECT source, shop, (refunded_at AT TIME ZONE timezone)::date AS day, currency, basis,
    count(*) AS refunds, count(DISTINCT order_key) AS orders,
    count(*) FILTER (WHERE net_effect IS NULL) AS refunds_without_effect,
    sum(goods) AS goods, sum(shipping) AS shipping, sum(tax) AS tax, sum(goodwill) AS goodwill,
    sum(net_effect) AS net_effect
FROM refunds
WHERE is_counted OR net_effect IS NULL
GROUP BY 1, 2, 3, 4, 5;
COMMENT ON VIEW refunds_by_day IS 'Refunds of counted orders by the day on which they were made, in the shop''s zone; one row for each basis. Refunds of tests, and of orders that are pending or cancelled, are left out: they take nothing off. Platforms that report no refunds have no rows (coverage.tells_refunds).';
COMMENT ON COLUMN refunds_by_day.source IS 'Platform.';
COMMENT ON COLUMN refunds_by_day.shop IS 'The shop''s id.';
COMMENT ON COLUMN refunds_by_day.day IS 'Day of the refund in the shop''s zone, whenever the order was placed.';
COMMENT ON COLUMN refunds_by_day.currency IS 'Currency of the orders; currencies are never added up.';
COMMENT ON COLUMN refunds_by_day.basis IS 'Where they come from: ORDER_REFUND, RUNNING_TOTAL, PAYMENT or STATUS, as in refunds.';
COMMENT ON COLUMN refunds_by_day.refunds IS 'Refunds; of a running total each growth is one.';
COMMENT ON COLUMN refunds_by_day.orders IS 'Orders that they belong to.';
COMMENT ON COLUMN refunds_by_day.refunds_without_effect IS 'Refunds of orders whose net cannot be known: their money is here, but not in net_effect.';
COMMENT ON COLUMN refunds_by_day.goods IS 'Goods given back, without tax; null where no refund names any.';
COMMENT ON COLUMN refunds_by_day.shipping IS 'Shipping given back; null where none is given.';
COMMENT ON COLUMN refunds_by_day.tax IS 'Tax of these goods; null where none is given.';
COMMENT ON COLUMN refunds_by_day.goodwill IS 'Money given back beyond goods, their tax and shipping; null where no refund is of this kind.';
COMMENT ON COLUMN refunds_by_day.net_effect IS 'What the refunds take off net; null where no effect is known. Over all days it is the sum of orders.refunded.';

CREATE VIEW refunds_by_order_month AS
WITH returned AS (
    SELECT order_key, count(*) AS refunds, sum(goods) AS goods, sum(shipping) AS shipping,
        sum(tax) AS tax, sum(goodwill) AS goodwill, sum(net_effect) AS net_effect
    FROM refunds WHERE is_counted GROUP BY order_key
)
SELECT o.source, o.shop, date_trunc('month', o.placed_at AT TIME ZONE o.timezone)::date AS month,
    o.currency, count(*) AS orders, count(*) FILTER (WHERE o.net IS NULL) AS orders_without_net,
    sum(o.net + coalesce(o.refunded, 0)) AS net_before_refunds,
    count(r.order_key) AS orders_refunded,
    coalesce(sum(r.refunds), 0)::bigint AS refunds, sum(r.goods) AS goods,
    sum(r.shipping) AS shipping, sum(r.tax) AS tax, sum(r.goodwill) AS goodwill,
    coalesce(sum(r.net_effect), 0) AS net_effect, sum(o.net) AS net,
    round(coalesce(sum(r.net_effect), 0)
        / nullif(sum(o.net + coalesce(o.refunded, 0)), 0), 4) AS refunded_share
FROM orders o LEFT JOIN returned r USING (order_key)
WHERE o.standing = 'COUNTED' AND o.refunds_observable
GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW refunds_by_order_month IS 'What became of each month''s orders: their refunds by the month in which the orders were placed, whenever the refunds were made. Only orders whose refunds would be seen (orders.refunds_observable).';
COMMENT ON COLUMN refunds_by_order_month.source IS 'Platform.';
COMMENT ON COLUMN refunds_by_order_month.shop IS 'The shop''s id.';
COMMENT ON COLUMN refunds_by_order_month.month IS 'Month of placed_at in the shop''s zone, its first day.';
COMMENT ON COLUMN refunds_by_order_month.currency IS 'ISO 4217; currencies are never added up.';
COMMENT ON COLUMN refunds_by_order_month.orders IS 'Counted orders whose refunds would be seen.';
COMMENT ON COLUMN refunds_by_order_month.orders_without_net IS 'Those whose net cannot be known: in none of the sums.';
COMMENT ON COLUMN refunds_by_order_month.net_before_refunds IS 'gross - discounts of the orders.';
COMMENT ON COLUMN refunds_by_order_month.orders_refunded IS 'Orders of which something was refunded.';
COMMENT ON COLUMN refunds_by_order_month.refunds IS 'Their refunds.';
COMMENT ON COLUMN refunds_by_order_month.goods IS 'Goods given back, without tax; null where no refund names any.';
COMMENT ON COLUMN refunds_by_order_month.shipping IS 'Shipping given back; null where none is given.';
COMMENT ON COLUMN refunds_by_order_month.tax IS 'Tax of these goods; null where none is given.';
COMMENT ON COLUMN refunds_by_order_month.goodwill IS 'Money given back beyond goods, their tax and shipping; null where no refund is of this kind.';
COMMENT ON COLUMN refunds_by_order_month.net_effect IS 'What the refunds took off net so far: the sum of orders.refunded.';
COMMENT ON COLUMN refunds_by_order_month.net IS 'net_before_refunds - net_effect.';
COMMENT ON COLUMN refunds_by_order_month.refunded_share IS 'net_effect / net_before_refunds; null where nothing was sold.';

CREATE VIEW product_sales AS
WITH lines AS (
    SELECT i.order_key, i.product_id, i.variant_id, i.sku,
        CASE WHEN coalesce(i.product_id, i.variant_id, i.sku) IS NULL THEN i.name END AS only_name,
        max(i.name) AS name, sum(i.quantity) AS units,
        bool_and(i.quantity IS NOT NULL) AS units_known,
        sum(coalesce(i.line_total, i.unit_price * i.quantity)) AS listed,
        bool_and(coalesce(i.line_total, i.unit_price * i.quantity) IS NOT NULL) AS is_priced,
        coalesce(sum(i.discount), 0) AS discount
    FROM order_items i WHERE i.is_gift_card IS NOT TRUE
    GROUP BY 1, 2, 3, 4, 5
), shares AS (
    SELECT *, count(*) OVER each AS products, sum(listed) OVER each AS listed_in_all,
        bool_and(is_priced) OVER each AS all_priced, sum(discount) OVER each AS discount_in_all
    FROM lines WINDOW each AS (PARTITION BY order_key)
), sold AS (
    SELECT s.*, o.source, o.shop, o.currency, o.customer_key, o.placed_at, o.refunds_observable,
        o.gross IS NOT NULL AND CASE WHEN s.products = 1 THEN true
            ELSE s.all_priced AND (s.listed_in_all <> 0 OR o.gross = 0) END AS is_known,
        CASE WHEN s.products = 1 THEN o.gross
            WHEN NOT s.all_priced OR o.gross IS NULL THEN NULL
            WHEN s.listed_in_all <> 0 THEN o.gross * s.listed / s.listed_in_all
            WHEN o.gross = 0 THEN s.listed END AS gross,
        CASE WHEN o.discounts IS NULL OR o.discounts = 0 OR s.products = 1 THEN o.discounts
            WHEN s.discount_in_all <> 0
                AND s.discount_in_all = coalesce(o.discount_total, s.discount_in_all)
            THEN o.discounts * s.discount / s.discount_in_all
            WHEN s.all_priced AND s.listed_in_all <> 0
            THEN o.discounts * s.listed / s.listed_in_all END AS discounts,
        o.discounts IS NOT NULL AS is_discount_given,
        coalesce(o.refunded, 0) AS order_refunded, o.net AS order_net
    FROM shares s JOIN orders o USING (order_key)
    WHERE o.standing = 'COUNTED'
), discounted AS (
    SELECT *, gross - CASE WHEN is_discount_given THEN discounts ELSE 0 END AS net_before_refunds
    FROM sold
), returned AS (
    SELECT *, order_refunded > 0 AND order_net = 0 AS is_refunded_whole,
        CASE WHEN order_refunded = 0 THEN 0 WHEN order_net = 0 THEN net_before_refunds
            WHEN products = 1 THEN order_refunded END AS refunded
    FROM discounted
)
SELECT source, shop, currency, product_id, variant_id, sku,
    substr(max(to_char(placed_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISS') || name COLLATE "C"), 15)
        AS name,
    count(*) AS orders, count(DISTINCT customer_key) AS customers,
    CASE WHEN bool_and(units_known) THEN sum(units)::bigint END AS units,
    count(*) FILTER (WHERE NOT is_known) AS orders_without_gross,
    round(sum(gross), 4) AS gross, round(sum(discounts) FILTER (WHERE is_known), 4) AS discounts,
    round(sum(net_before_refunds), 4) AS net_before_refunds,
    CASE WHEN bool_or(refunds_observable) THEN
        coalesce(sum(units) FILTER (WHERE is_refunded_whole), 0)::bigint END
        AS units_of_refunded_orders,
    CASE WHEN bool_or(refunds_observable) THEN round(coalesce(sum(refunded), 0), 4) END
        AS refunded,
    CASE WHEN bool_or(refunds_observable) THEN
        count(*) FILTER (WHERE refunded IS NULL AND is_known) END AS orders_partly_refunded,
    min(placed_at) AS first_sold_at, max(placed_at) AS last_sold_at
FROM returned
-- The columns that differ most come first: they decide the sort early.
GROUP BY variant_id, product_id, sku, only_name, currency, shop, source;
COMMENT ON VIEW product_sales IS 'One row per shop, currency and product: the lines of counted orders by product, variant and SKU, by name where a line has none of them. Gift cards are left out. An order''s gross is divided over its lines by their prices, so that the sum over its products is the order''s gross, without tax.';
COMMENT ON COLUMN product_sales.source IS 'Platform.';
COMMENT ON COLUMN product_sales.shop IS 'The shop''s id.';
COMMENT ON COLUMN product_sales.currency IS 'ISO 4217; currencies are never added up.';
COMMENT ON COLUMN product_sales.product_id IS 'Product; null where the lines give none.';
COMMENT ON COLUMN product_sales.variant_id IS 'Variant; null where the lines give none.';
COMMENT ON COLUMN product_sales.sku IS 'Stock keeping unit; null where the lines give none.';
COMMENT ON COLUMN product_sales.name IS 'Name in the newest of these orders.';
COMMENT ON COLUMN product_sales.orders IS 'Counted orders with the product, renewals included.';
COMMENT ON COLUMN product_sales.customers IS 'Customers of these orders; orders without one are not in it.';
COMMENT ON COLUMN product_sales.units IS 'Units sold; null where a line does not give them.';
COMMENT ON COLUMN product_sales.orders_without_gross IS 'Orders of which the product''s part is unknown: no price, or an order without net.';
COMMENT ON COLUMN product_sales.gross IS 'Price before discounts, without tax; null where none is known.';
COMMENT ON COLUMN product_sales.discounts IS 'Its part of the orders'' discounts: by the lines'' own where these add up to the order''s, else by the prices; null where none is given.';
COMMENT ON COLUMN product_sales.net_before_refunds IS 'gross - discounts.';
COMMENT ON COLUMN product_sales.units_of_refunded_orders IS 'Units in orders that were refunded whole; of other refunds no units are given. Null where the platform reports no refunds.';
COMMENT ON COLUMN product_sales.refunded IS 'What refunds took off, as far as it is known of which product: orders refunded whole, and orders of one product. Null where the platform reports no refunds.';
COMMENT ON COLUMN product_sales.orders_partly_refunded IS 'Orders of several products of which a part was refunded: not known of which product, so not in refunded. Null where the platform reports no refunds.';
COMMENT ON COLUMN product_sales.first_sold_at IS 'When the first of these orders was placed.';
COMMENT ON COLUMN product_sales.last_sold_at IS 'When the last was placed.';

CREATE VIEW discount_codes AS
WITH coded AS (
    SELECT o.order_key, o.source, o.shop, o.currency, o.customer_key, o.placed_at, o.discounts,
        o.refunded, o.net, each.code, count(*) OVER (PARTITION BY o.order_key) AS codes
    FROM orders o CROSS JOIN LATERAL (
        SELECT DISTINCT upper(btrim(code)) AS code
        FROM unnest(string_to_array(concat_ws(',', o.attributes ->> 'discount_codes',
            o.attributes ->> 'coupon.uuid'), ',')) AS code
        WHERE btrim(code) <> ''
    ) each
    WHERE o.standing = 'COUNTED'
), used AS (
    SELECT c.*, n.number,
        bool_or(n.is_first) OVER (
            PARTITION BY c.source, c.shop, c.currency, c.code, c.customer_key
        ) AS is_new
    FROM coded c LEFT JOIN order_sequence n USING (order_key)
)
SELECT source, shop, currency, code, count(*) AS orders,
    count(*) FILTER (WHERE codes > 1) AS shared_orders,
    sum(discounts) AS discounts, sum(discounts) FILTER (WHERE codes > 1) AS shared_discounts,
    sum(net + coalesce(refunded, 0)) AS net_before_refunds, sum(net) AS net,
    count(*) FILTER (WHERE net IS NULL) AS orders_without_net,
    count(DISTINCT customer_key) AS customers,
    count(DISTINCT customer_key) FILTER (WHERE is_new) AS new_customers,
    count(DISTINCT customer_key) FILTER (WHERE number > 1 AND is_new IS NOT TRUE)
        AS returning_customers,
    min(placed_at) AS first_used_at, max(placed_at) AS last_used_at
FROM used GROUP BY source, shop, currency, code;
COMMENT ON VIEW discount_codes IS 'One row per shop, currency and discount code of counted orders. Orders give one discount, not one for each code: an order with two codes counts whole in the rows of both, so that rows are not to be added up; shared_orders and shared_discounts show how much that is. Only platforms that give codes have rows (coverage.tells_discount_codes).';
COMMENT ON COLUMN discount_codes.source IS 'Platform.';
COMMENT ON COLUMN discount_codes.shop IS 'The shop''s id.';
COMMENT ON COLUMN discount_codes.currency IS 'ISO 4217; currencies are never added up.';
COMMENT ON COLUMN discount_codes.code IS 'The code in capital letters: customers type it in any case.';
COMMENT ON COLUMN discount_codes.orders IS 'Counted orders that name it.';
COMMENT ON COLUMN discount_codes.shared_orders IS 'Those that name another code too.';
COMMENT ON COLUMN discount_codes.discounts IS 'Discounts of the orders without tax, whole also where other codes have a part in them; null where none is given.';
COMMENT ON COLUMN discount_codes.shared_discounts IS 'The part of discounts that is of shared orders; null where there is none.';
COMMENT ON COLUMN discount_codes.net_before_refunds IS 'gross - discounts of the orders; null where none is known.';
COMMENT ON COLUMN discount_codes.net IS 'Net of the orders; null where none is known.';
COMMENT ON COLUMN discount_codes.orders_without_net IS 'Orders whose net cannot be known.';
COMMENT ON COLUMN discount_codes.customers IS 'Customers of the orders; orders without one are not in it.';
COMMENT ON COLUMN discount_codes.new_customers IS 'Customers whose first order named it, whole history known.';
COMMENT ON COLUMN discount_codes.returning_customers IS 'Customers who used it on later orders only. Of the rest it is not known, or they have renewals only.';
COMMENT ON COLUMN discount_codes.first_used_at IS 'When the first of these orders was placed.';
COMMENT ON COLUMN discount_codes.last_used_at IS 'When the last was placed.';

CREATE VIEW cohort_value AS
WITH months AS (
    SELECT *, sum(net) OVER since AS so_far, bool_and(net IS NOT NULL) OVER since AS is_known,
        sum(orders) OVER since AS orders_so_far
    FROM monthly_cohorts
    WINDOW since AS (PARTITION BY source, shop, currency, cohort_month ORDER BY months_since)
)
SELECT source, shop, currency, cohort_month, months_since, customers,
    buyers AS active_customers, orders_so_far::bigint AS cumulative_orders,
    CASE WHEN is_known THEN so_far END AS cumulative_net,
    CASE WHEN is_known THEN half_even(so_far::numeric(38,12) / customers) END
        AS cumulative_net_per_customer,
    is_provisional
FROM months;
COMMENT ON VIEW cohort_value IS 'What customers of each month of first order have brought by the end of that month and of each one since; only customers whose whole history is known (history_complete).';
COMMENT ON COLUMN cohort_value.source IS 'Platform.';
COMMENT ON COLUMN cohort_value.shop IS 'The shop''s id.';
COMMENT ON COLUMN cohort_value.currency IS 'ISO 4217; currencies are never added up.';
COMMENT ON COLUMN cohort_value.cohort_month IS 'Month of the first counted order in the shop''s zone, its first day.';
COMMENT ON COLUMN cohort_value.months_since IS 'Months since the cohort''s: 0 is the month of the first order.';
COMMENT ON COLUMN cohort_value.customers IS 'Customers of the cohort, active or not.';
COMMENT ON COLUMN cohort_value.active_customers IS 'Those with a counted order in this month, renewals included.';
COMMENT ON COLUMN cohort_value.cumulative_orders IS 'Counted orders from month 0 to the end of this one.';
COMMENT ON COLUMN cohort_value.cumulative_net IS 'Newest net of these orders; null from the first month on in which that of one cannot be known.';
COMMENT ON COLUMN cohort_value.cumulative_net_per_customer IS 'cumulative_net / customers.';
COMMENT ON COLUMN cohort_value.is_provisional IS 'True while the month goes on.';

CREATE OR REPLACE VIEW carts_to_contact AS
SELECT a.cart_key, a.generation, a.source, a.shop, a.native_cart_id, a.customer_key, a.person_key,
    a.abandoned_at, a.item_count, a.items, a.cart_value, a.currency,
    row_number() OVER (
        PARTITION BY coalesce(a.person_key, a.customer_key, a.cart_key)
        ORDER BY a.abandoned_at DESC, a.cart_key, a.generation
    ) = 1 AS is_newest
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
COMMENT ON COLUMN carts_to_contact.is_newest IS 'Whether it is the newest of the person''s carts in this view: who writes about it alone writes to nobody twice.';
