-- The models of a dbt shop: the newest row of each order by its own updated_at (else by receipt),
-- refunds by their lines as public packages for Shopify have them, then the two marts.

CREATE VIEW int_orders AS
WITH newest AS (
    SELECT * FROM stg_orders
    QUALIFY row_number() OVER (PARTITION BY order_key
        ORDER BY coalesce(updated_at, received_at) DESC, received_at DESC, number DESC) = 1
), whole AS (  -- a deletion gives the id alone
    SELECT * FROM stg_orders WHERE goods IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY order_key
        ORDER BY coalesce(updated_at, received_at) DESC, received_at DESC, number DESC) = 1
)
SELECT whole.* REPLACE (newest.status AS status) FROM newest JOIN whole USING (order_key);

CREATE VIEW int_refunds AS
WITH lines AS (
    SELECT order_key, tax_included, unnest(refunds) AS refund FROM int_orders
), transactions AS (
    SELECT * FROM stg_ciklik__transactions
    QUALIFY row_number() OVER (PARTITION BY order_key, transaction_id ORDER BY received_at DESC, number DESC) = 1
)
SELECT order_key, sum(refund.goods - CASE WHEN tax_included THEN refund.tax ELSE 0 END) AS refunded
FROM lines GROUP BY order_key
UNION ALL
SELECT order_key, sum(refunded) FROM transactions GROUP BY order_key;

CREATE VIEW fct_orders AS
SELECT order_key, customer_key, o.currency, 1 AS orders, placed_at, cart_key, o.shop,
       goods - CASE WHEN status = 'refunded' AND coalesce(refunded, 0) = 0 THEN goods
                    ELSE coalesce(refunded, 0) END AS net
FROM int_orders o JOIN shops ON shops.key = o.shop LEFT JOIN int_refunds USING (order_key)
WHERE status IN ('paid', 'partially_refunded', 'refunded') AND NOT is_test AND counts_as_sale;

CREATE VIEW customers AS
SELECT customer_key, currency, sum(orders) AS orders, sum(net) AS net
FROM fct_orders GROUP BY customer_key, currency;

CREATE VIEW parts AS SELECT order_key, customer_key, currency, orders, net FROM fct_orders;

CREATE VIEW int_carts AS
SELECT *, min(received_at) OVER (PARTITION BY cart_key) AS first_seen_at FROM stg_cart_events
QUALIFY row_number() OVER (PARTITION BY cart_key ORDER BY received_at DESC, number DESC) = 1;

CREATE VIEW int_cart_orders AS  -- the first order that a cart led to
SELECT c.cart_key, min(o.placed_at) AS ordered_at
FROM int_carts c JOIN shops ON shops.key = c.shop
JOIN int_orders o ON o.shop = c.shop AND NOT o.is_test AND o.placed_at >= c.first_seen_at
    AND CASE WHEN o.cart_key IS NOT NULL THEN o.cart_key = c.cart_key ELSE o.customer_key = c.customer_key END
    AND o.placed_at <= c.received_at + shops.expire_after * 1000000
GROUP BY c.cart_key;

CREATE VIEW carts AS
SELECT cart_key, CASE WHEN ordered_at IS NULL THEN 'abandoned' ELSE 'recovered' END AS what
FROM int_carts c JOIN shops ON shops.key = c.shop LEFT JOIN int_cart_orders USING (cart_key)
WHERE items > 0
  AND CASE WHEN is_reported THEN TRUE
           ELSE coalesce(ordered_at, (SELECT now FROM clock)) - received_at >= abandon_after * 1000000 END;
