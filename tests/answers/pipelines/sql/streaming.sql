-- Views as the tutorials of streaming databases write them: repeats are dropped by keeping the
-- first event of an id, revenue is a sum over events, carts are sessions joined with the orders
-- of the time after them.

CREATE VIEW sales AS  -- the first event that shows an order as paid
SELECT * FROM stg_orders WHERE status IN ('paid', 'partially_refunded', 'refunded') AND NOT is_test
QUALIFY row_number() OVER (PARTITION BY order_key ORDER BY received_at, number) = 1;

CREATE VIEW refund_events AS
WITH given AS (
    SELECT order_key, received_at, number, unnest(refunds) AS refund FROM stg_orders
)
SELECT order_key, refund.money AS money FROM given WHERE refund.succeeded
QUALIFY row_number() OVER (PARTITION BY order_key, refund.id ORDER BY received_at, number) = 1
UNION ALL  -- a transaction's amount_refunded grows: the greatest is what was paid back
SELECT order_key, max(refunded) FROM stg_ciklik__transactions GROUP BY order_key, transaction_id;

CREATE VIEW refunded_orders AS  -- where only a status shows it
SELECT DISTINCT order_key FROM stg_orders WHERE status = 'refunded' AND len(refunds) = 0;

CREATE VIEW cancelled_orders AS
SELECT DISTINCT order_key FROM stg_orders WHERE status IN ('cancelled', 'deleted');

CREATE VIEW ledger AS
SELECT order_key, customer_key, currency, shop, 1 AS orders, goods AS amount FROM sales
UNION ALL
SELECT order_key, customer_key, currency, shop, 0, -money FROM sales JOIN refund_events USING (order_key)
UNION ALL
SELECT order_key, customer_key, currency, shop, 0, -goods FROM sales JOIN refunded_orders USING (order_key);

CREATE VIEW counted AS
SELECT l.* FROM ledger l JOIN shops ON shops.key = l.shop
WHERE counts_as_sale AND order_key NOT IN (SELECT order_key FROM cancelled_orders);

CREATE VIEW customers AS
SELECT customer_key, currency, sum(orders) AS orders, sum(amount) AS net
FROM counted GROUP BY customer_key, currency;

CREATE VIEW parts AS
SELECT order_key, customer_key, currency, sum(orders) AS orders, sum(amount) AS net
FROM counted GROUP BY order_key, customer_key, currency;

CREATE VIEW cart_sessions AS  -- session windows: a gap of abandon_after ends one
WITH marked AS (
    SELECT e.*, abandon_after, expire_after,
           received_at - lag(received_at) OVER (PARTITION BY cart_key ORDER BY received_at, number)
               >= abandon_after * 1000000 AS is_new
    FROM stg_cart_events e JOIN shops ON shops.key = e.shop
), numbered AS (
    SELECT *, count(*) FILTER (WHERE is_new) OVER (PARTITION BY cart_key ORDER BY received_at, number) AS session
    FROM marked
)
SELECT cart_key, session, shop, any_value(customer_key) AS customer_key, bool_or(is_reported) AS is_reported,
       max(received_at) AS ends_at, arg_max(items, received_at) AS items,
       any_value(abandon_after) * 1000000 AS gap, any_value(expire_after) * 1000000 AS expires
FROM numbered GROUP BY cart_key, session, shop;

CREATE VIEW session_orders AS
SELECT s.cart_key, s.session, min(o.placed_at) AS ordered_at
FROM cart_sessions s JOIN sales o ON o.shop = s.shop
    AND CASE WHEN o.cart_key IS NOT NULL THEN o.cart_key = s.cart_key ELSE o.customer_key = s.customer_key END
    AND o.placed_at BETWEEN s.ends_at AND s.ends_at + s.expires
GROUP BY s.cart_key, s.session;

CREATE VIEW carts AS
SELECT cart_key, arg_max(CASE WHEN ordered_at IS NULL THEN 'abandoned' ELSE 'recovered' END, session) AS what
FROM cart_sessions LEFT JOIN session_orders USING (cart_key, session)
WHERE items > 0 AND (is_reported OR coalesce(ordered_at, (SELECT now FROM clock)) - ends_at >= gap)
GROUP BY cart_key;
