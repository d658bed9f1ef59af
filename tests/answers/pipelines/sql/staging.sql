-- Staging models: one for each platform, over the deliveries as they were loaded (one row each,
-- the body as JSON). Both answers in SQL begin here. Amounts are in units of the currency.

CREATE VIEW stg_spiffy__orders AS
SELECT number, received_at, shop, event,
       shop || '/order:' || (body->>'$.id') AS order_key,
       CASE WHEN body->>'$.customer.id' IS NOT NULL THEN shop || '/customer:' || (body->>'$.customer.id')
            ELSE shop || '/guest:' || lower(body->>'$.email') END AS customer_key,
       body->>'$.currency' AS currency,
       CASE WHEN event = 'orders/delete' THEN 'deleted' WHEN body->>'$.cancelled_at' IS NOT NULL THEN 'cancelled'
            ELSE body->>'$.financial_status' END AS status,
       coalesce((body->>'$.test')::BOOLEAN, FALSE) AS is_test,
       epoch_us((body->>'$.created_at')::TIMESTAMPTZ) AS placed_at,
       epoch_us(coalesce(body->>'$.updated_at', body->>'$.deleted_at')::TIMESTAMPTZ) AS updated_at,
       (body->>'$.subtotal_price')::DECIMAL(18, 4) AS subtotal,
       (body->>'$.total_tax')::DECIMAL(18, 4) AS tax,
       (body->>'$.taxes_included')::BOOLEAN AS tax_included,
       coalesce(list_sum([(line->>'$.price')::DECIMAL(18, 4) * (line->>'$.quantity')::INT
                          FOR line IN (body->'$.line_items')::JSON[] IF (line->>'$.gift_card')::BOOLEAN]), 0) AS gift_cards,
       shop || '/cart:' || (body->>'$.cart_token') AS cart_key,
       [{'id': r->>'$.id',
         'succeeded': coalesce(r->>'$.transactions[0].status', 'success') = 'success',
         'goods': coalesce(list_sum([(l->>'$.subtotal')::DECIMAL(18, 4) FOR l IN (r->'$.refund_line_items')::JSON[]]), 0),
         'tax': coalesce(list_sum([(l->>'$.total_tax')::DECIMAL(18, 4) FOR l IN (r->'$.refund_line_items')::JSON[]]), 0),
         'money': coalesce(list_sum([(t->>'$.amount')::DECIMAL(18, 4) FOR t IN (r->'$.transactions')::JSON[]]), 0)}
        FOR r IN (body->'$.refunds')::JSON[]] AS refunds
FROM deliveries WHERE shop LIKE 'spiffy/%' AND event LIKE 'orders/%';

CREATE VIEW stg_run_free__orders AS
SELECT number, received_at, shop, 'created' AS event,
       shop || '/order:' || (body->>'$.data.id') AS order_key,
       shop || '/customer:' || (body->>'$.data.customer.id') AS customer_key,
       shops.currency, 'paid' AS status, FALSE AS is_test,
       epoch_us((body->>'$.data.ordered')::TIMESTAMPTZ) AS placed_at,
       epoch_us((body->>'$.data.ordered')::TIMESTAMPTZ) AS updated_at,
       (body->>'$.data.subtotal')::DECIMAL(18, 4) - (body->>'$.data.discount')::DECIMAL(18, 4) AS subtotal,
       (body->>'$.data.taxes')::DECIMAL(18, 4) AS tax,
       prices_include_tax AS tax_included, 0 AS gift_cards,
       shop || '/cart:' || (body->>'$.data.customer.id') AS cart_key,
       [] AS refunds
FROM deliveries JOIN shops ON shops.key = shop
WHERE shop LIKE 'run-free/%' AND body->>'$.type' = 'order';

CREATE VIEW stg_shoprocket_older__orders AS
SELECT number, received_at, shop, body->>'$.type' AS event,
       shop || '/order:' || (body->>'$.data.id') AS order_key,
       CASE WHEN body->>'$.data.customer_id' IS NOT NULL THEN shop || '/customer:' || (body->>'$.data.customer_id')
            ELSE shop || '/guest:' || lower(body->>'$.data.email') END AS customer_key,
       body->>'$.data.currency_paid_in' AS currency,
       CASE WHEN body->>'$.data.deleted_at' IS NOT NULL THEN 'deleted' ELSE body->>'$.data.status_raw' END AS status,
       'test' IN (body->>'$.webhook_environment', body->>'$.data.store_environment',
                  body->>'$.data.payment_payload.livemode') AS is_test,
       epoch_us((body->>'$.data.created_at')::TIMESTAMP) AS placed_at,
       epoch_us(coalesce(body->>'$.data.deleted_at', body->>'$.data.updated_at', body->>'$.data.created_at')::TIMESTAMP) AS updated_at,
       (body->>'$.data.subtotal')::DECIMAL(18, 4) - (body->>'$.data.discount_amount')::DECIMAL(18, 4) AS subtotal,
       (body->>'$.data.tax_amount')::DECIMAL(18, 4) AS tax,
       prices_include_tax AS tax_included, 0 AS gift_cards, NULL AS cart_key, [] AS refunds
FROM deliveries JOIN shops ON shops.key = shop
WHERE shop LIKE 'shoprocket/%' AND body->>'$.livemode' IS NULL AND body->>'$.type' LIKE 'order.%';

CREATE VIEW stg_shoprocket__orders AS
SELECT number, received_at, shop, body->>'$.type' AS event,
       shop || '/order:' || (body->>'$.data.id') AS order_key,
       CASE WHEN body->>'$.data.customer.id' IS NOT NULL THEN shop || '/customer:' || (body->>'$.data.customer.id')
            ELSE shop || '/guest:' || lower(body->>'$.data.customer.email') END AS customer_key,
       body->>'$.data.currency' AS currency,
       CASE WHEN body->>'$.type' = 'order.deleted' THEN 'deleted'
            WHEN body->>'$.data.cancelledAt' IS NOT NULL THEN 'cancelled' ELSE body->>'$.data.status' END AS status,
       NOT (body->>'$.livemode')::BOOLEAN AS is_test,
       epoch_us((body->>'$.data.createdAt')::TIMESTAMPTZ) AS placed_at,
       epoch_us((body->>'$.createdAt')::TIMESTAMPTZ) AS updated_at,
       ((body->>'$.data.totals.subtotal.amount')::DECIMAL(18, 4) - (body->>'$.data.totals.discount.amount')::DECIMAL(18, 4)) * 0.01 AS subtotal,
       (body->>'$.data.totals.tax.amount')::DECIMAL(18, 4) * 0.01 AS tax,
       prices_include_tax AS tax_included, 0 AS gift_cards,
       shop || '/cart:' || (body->>'$.data.cartId') AS cart_key,
       [{'id': r->>'$.id', 'succeeded': TRUE,
         'goods': coalesce(list_sum([(l->>'$.subtotal.amount')::DECIMAL(18, 4) * 0.01 FOR l IN (r->'$.lines')::JSON[]]),
                           (r->>'$.amount.amount')::DECIMAL(18, 4) * 0.01),
         'tax': coalesce(list_sum([(l->>'$.tax.amount')::DECIMAL(18, 4) * 0.01 FOR l IN (r->'$.lines')::JSON[]]), 0),
         'money': (r->>'$.amount.amount')::DECIMAL(18, 4) * 0.01}
        FOR r IN (body->'$.data.refunds')::JSON[] IF r->>'$.status' = 'succeeded'] AS refunds
FROM deliveries JOIN shops ON shops.key = shop
WHERE shop LIKE 'shoprocket/%' AND body->>'$.livemode' IS NOT NULL AND body->>'$.type' LIKE 'order.%';

CREATE MACRO amount(text) AS replace(replace(text, ' ', ''), ',', '.')::DECIMAL(18, 4);

CREATE VIEW stg_ciklik__orders AS
SELECT number, received_at, shop, event,
       shop || '/order:' || (body->>'$.order_id') AS order_key,
       shop || '/customer:' || (body->>'$.user_id') AS customer_key,
       shops.currency, body->>'$.status' AS status, FALSE AS is_test,
       epoch_us((body->>'$.created_at')::TIMESTAMPTZ) AS placed_at, NULL AS updated_at,
       amount(body->>'$.total_paid') - amount(body->>'$.total_shipping_paid') AS subtotal,
       amount(body->>'$.total_tax_paid') AS tax, TRUE AS tax_included, 0 AS gift_cards,
       NULL AS cart_key, [] AS refunds
FROM deliveries JOIN shops ON shops.key = shop
WHERE shop LIKE 'ciklik/%' AND event LIKE '%_checkoutorder';

CREATE VIEW stg_ciklik__transactions AS
SELECT number, received_at, shop || '/order:' || (body->>'$.order_id') AS order_key,
       body->>'$.id' AS transaction_id, amount(body->>'$.amount_refunded') AS refunded
FROM deliveries WHERE shop LIKE 'ciklik/%' AND event LIKE '%_checkouttransaction';

CREATE VIEW stg_gooten__orders AS
SELECT number, received_at, shop, 'updated' AS event,
       shop || '/order:' || (body->>'$.Id') AS order_key,
       shop || '/guest:' || lower(body->>'$.ShippingAddress.Email') AS customer_key,
       body->>'$.Total.CurrencyCode' AS currency, lower(body->>'$.Items[0].Status') AS status,
       lower(body->>'$.Items[0].Status') = 'test' AS is_test,
       received_at AS placed_at, NULL AS updated_at,
       (body->>'$.Total.Price')::DECIMAL(18, 4) - (body->>'$.ShippingTotal.Price')::DECIMAL(18, 4) AS subtotal,
       0 AS tax, FALSE AS tax_included, 0 AS gift_cards, NULL AS cart_key, [] AS refunds
FROM deliveries WHERE shop LIKE 'gooten/%';

CREATE TABLE stg_orders AS
WITH unioned AS (
    SELECT * FROM stg_spiffy__orders UNION ALL BY NAME SELECT * FROM stg_run_free__orders
    UNION ALL BY NAME SELECT * FROM stg_shoprocket_older__orders
    UNION ALL BY NAME SELECT * FROM stg_shoprocket__orders
    UNION ALL BY NAME SELECT * FROM stg_ciklik__orders UNION ALL BY NAME SELECT * FROM stg_gooten__orders
)
SELECT * EXCLUDE (status, refunds), refunds,
       CASE WHEN status = 'deleted' THEN 'deleted'
            WHEN status IN ('cancelled', 'canceled', 'voided', 'failed', 'canceledrefunded', 'billed refunded') THEN 'cancelled'
            WHEN shop LIKE 'gooten/%' THEN 'paid'
            WHEN status IN ('paid', 'processing', 'completed') THEN 'paid'
            WHEN status IN ('refunded', 'partially_refunded') THEN status
            ELSE 'pending' END AS status,
       subtotal - gift_cards - CASE WHEN tax_included THEN tax ELSE 0 END AS goods
FROM unioned;

CREATE TABLE stg_cart_events AS
SELECT number, received_at, shop, shop || '/cart:' || (body->>'$.token') AS cart_key, NULL AS customer_key,
       coalesce(list_sum([(l->>'$.quantity')::INT FOR l IN (body->'$.line_items')::JSON[]]), 0) AS items, FALSE AS is_reported
FROM deliveries WHERE shop LIKE 'spiffy/%' AND event LIKE 'carts/%'
UNION ALL
SELECT number, received_at, shop, shop || '/cart:' || (body->>'$.data.customer.id'),
       shop || '/customer:' || (body->>'$.data.customer.id'),
       coalesce(list_sum([(l->>'$.quantity')::INT FOR l IN (body->'$.data.items')::JSON[]]), 0), FALSE
FROM deliveries WHERE shop LIKE 'run-free/%' AND body->>'$.type' = 'cart'
UNION ALL
SELECT number, received_at, shop, shop || '/cart:' || (body->>'$.data.id'),
       CASE WHEN body->>'$.data.customer.id' IS NOT NULL THEN shop || '/customer:' || (body->>'$.data.customer.id')
            ELSE shop || '/guest:' || lower(body->>'$.data.customer.email') END, 1, TRUE
FROM deliveries WHERE shop LIKE 'shoprocket/%' AND body->>'$.type' = 'cart.abandoned'
UNION ALL
SELECT number, received_at, shop, shop || '/cart:' || (body->>'$.cart_id'),
       shop || '/customer:' || (body->>'$.user_id'), 1, TRUE
FROM deliveries WHERE shop LIKE 'ciklik/%' AND event = 'abandoned_cart';
