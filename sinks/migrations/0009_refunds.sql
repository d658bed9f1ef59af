-- Each refund with its date; what decided tax and refunds; subscriptions' first orders.
ALTER TABLE orders ADD COLUMN tax_basis text;
ALTER TABLE orders ADD COLUMN rounded integer NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN unknown_status boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN orders.tax_basis IS 'What decided taxes_included: PAYLOAD, the shop''s SETTING, the payload''s SUMS, or the platform''s DEFAULT; null in rows from before this column.';
COMMENT ON COLUMN orders.rounded IS 'How many amounts of the order and its lines were rounded to four decimals.';
COMMENT ON COLUMN orders.unknown_status IS 'True where the newest status text is on no list: the newest known status keeps counting.';
COMMENT ON COLUMN orders.taxes_included IS 'True where prices include tax; tax_basis shows what decided it.';
COMMENT ON COLUMN orders.refunded IS 'What refunds take off the goods, without tax: the sum of net_effect in refunds; null where none is given.';
COMMENT ON COLUMN orders.reason IS 'Why a counted or pending order has no net: items-unknown, tax-unknown or refund-unknown. With a net of 0: discount-exceeds-goods.';
COMMENT ON COLUMN orders.refunds_observable IS 'True where the platform reports refunds, with amounts.';
COMMENT ON COLUMN orders.refunded_goods IS 'The part of the refund that is goods, as older events gave it.';

ALTER TABLE payments ADD COLUMN order_key text;
ALTER TABLE payments ADD COLUMN refunded_amount numeric(18,4);
COMMENT ON COLUMN payments.order_key IS 'The order that the payment names; null where not given.';
COMMENT ON COLUMN payments.refunded_amount IS 'How much of the payment was given back in all; null = not given.';
COMMENT ON TABLE payments IS 'Transactions, invoices and credits. Net comes from here only as refunds, on platforms whose orders give none (Ciklik).';
UPDATE payments SET order_key = source || '/' || shop || '/order:' || order_id WHERE order_id IS NOT NULL;
CREATE INDEX payments_order ON payments (order_key) WHERE order_key IS NOT NULL;

CREATE TABLE refunds (
    order_key text NOT NULL,
    position integer NOT NULL,
    refund_id text,
    customer_key text,
    source text NOT NULL,
    shop text NOT NULL,
    currency text,
    refunded_at timestamptz NOT NULL,
    goods numeric(20,4),
    shipping numeric(20,4),
    tax numeric(20,4),
    goodwill numeric(20,4),
    net_effect numeric(20,4),
    basis text NOT NULL,
    is_counted boolean NOT NULL,
    timezone text NOT NULL,
    source_event_id uuid NOT NULL,
    PRIMARY KEY (order_key, position)
);
CREATE INDEX refunds_customer ON refunds (customer_key) WHERE customer_key IS NOT NULL;
COMMENT ON TABLE refunds IS 'Refunds that succeeded, one row each; of a running total, one row for each amount by which it grew.';
COMMENT ON COLUMN refunds.order_key IS 'The order.';
COMMENT ON COLUMN refunds.position IS 'Number of the refund within its order, from 1, oldest first.';
COMMENT ON COLUMN refunds.refund_id IS 'The platform''s own id of the refund, or of the payment that was given back; null where not given.';
COMMENT ON COLUMN refunds.customer_key IS 'The customer of the order; null where not given.';
COMMENT ON COLUMN refunds.source IS 'Platform.';
COMMENT ON COLUMN refunds.shop IS 'The shop''s id.';
COMMENT ON COLUMN refunds.currency IS 'Currency of the order.';
COMMENT ON COLUMN refunds.refunded_at IS 'When it was made, as given; else when an event first gave it.';
COMMENT ON COLUMN refunds.goods IS 'Goods given back, without tax; null where the refund names none.';
COMMENT ON COLUMN refunds.shipping IS 'Shipping given back, as given.';
COMMENT ON COLUMN refunds.tax IS 'Tax of the goods given back, as given.';
COMMENT ON COLUMN refunds.goodwill IS 'Money given back beyond goods, their tax and shipping.';
COMMENT ON COLUMN refunds.net_effect IS 'What the refund takes off the order''s net; null where that net is unknown. Summed up by order it is orders.refunded.';
COMMENT ON COLUMN refunds.basis IS 'Where it comes from: ORDER_REFUND (a refund of the order), RUNNING_TOTAL (the order''s total grew), PAYMENT (a payment was given back) or STATUS (the order is refunded, no amount is given).';
COMMENT ON COLUMN refunds.is_counted IS 'True where the order counts as revenue and its net is known.';
COMMENT ON COLUMN refunds.timezone IS 'Zone of the shop''s days.';
COMMENT ON COLUMN refunds.source_event_id IS 'Event with the order''s newest version.';

ALTER TABLE customer_lifetime_value ADD COLUMN net_less_reported_refunds numeric(20,4);
ALTER TABLE customer_lifetime_value ADD COLUMN renewal_revenue numeric(20,4);
COMMENT ON COLUMN customer_lifetime_value.net_less_reported_refunds IS 'Net less the reported refunds that no order''s payment gives; null where the platform''s orders give refunds themselves, or none is reported.';
COMMENT ON COLUMN customer_lifetime_value.renewal_revenue IS 'Net of renewals; a part of subscription_revenue. Null where there is none.';
COMMENT ON COLUMN customer_lifetime_value.subscription_revenue IS 'Net of all orders that name a subscription, the first ones too. Null where there is none.';
COMMENT ON COLUMN customer_lifetime_value.ineligible_reason IS 'Why there is no net, cohort or prediction: no-counted-order; only-renewals (they count in net, not in frequency); items-unknown, tax-unknown or refund-unknown of an order without net; history-incomplete.';

DELETE FROM customer_contacts t USING customers c WHERE c.customer_key = t.customer_key AND c.is_deleted;

CREATE OR REPLACE VIEW coverage AS
WITH platforms (source, tells_carts, tells_refunds, tells_cancellations) AS (
    VALUES ('run-free', true, false, false), ('shoprocket', true, true, true),
        ('spiffy', true, true, true), ('ciklik', true, true, false),
        ('gooten', false, false, false)
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
        count(*) FILTER (WHERE reason <> 'discount-exceeds-goods') AS orders_without_net
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
COMMENT ON COLUMN coverage.tells_refunds IS 'True where the platform''s orders or payments report refunds; null while nothing shows it.';
