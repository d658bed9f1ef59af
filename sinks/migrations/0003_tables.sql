-- The tables that analysts read.
CREATE TABLE abandoned_carts (
    cart_key text NOT NULL,
    generation integer NOT NULL,
    source text NOT NULL,
    shop text NOT NULL,
    native_cart_id text NOT NULL,
    customer_key text,
    person_key text,
    is_contactable boolean,
    status text NOT NULL,
    detection text NOT NULL,
    time_basis text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_activity_at timestamptz,
    abandoned_at timestamptz,
    detected_at timestamptz NOT NULL,
    closed_at timestamptz,
    abandon_count integer NOT NULL,
    item_count bigint,
    items jsonb,
    cart_value numeric(20,4),
    value_source text,
    currency text,
    order_key text,
    link_method text,
    time_to_recover interval,
    recovered_value numeric(20,4),
    item_overlap numeric(5,4),
    is_test boolean NOT NULL,
    source_event_id uuid NOT NULL,
    raw_partition integer NOT NULL,
    raw_offset bigint NOT NULL,
    PRIMARY KEY (cart_key, generation)
);
CREATE INDEX abandoned_carts_customer ON abandoned_carts (customer_key) WHERE customer_key IS NOT NULL;
COMMENT ON TABLE abandoned_carts IS 'Every cart generation that stands abandoned or was abandoned.';
COMMENT ON COLUMN abandoned_carts.cart_key IS 'The cart: source/shop/cart:id.';
COMMENT ON COLUMN abandoned_carts.generation IS 'Which life of the cart, from 1.';
COMMENT ON COLUMN abandoned_carts.source IS 'Platform.';
COMMENT ON COLUMN abandoned_carts.shop IS 'The shop''s id.';
COMMENT ON COLUMN abandoned_carts.native_cart_id IS 'The platform''s own cart id.';
COMMENT ON COLUMN abandoned_carts.customer_key IS 'Whose cart it is; null where not told.';
COMMENT ON COLUMN abandoned_carts.person_key IS 'The customer''s newest e-mail hash: links shops, merges no customers.';
COMMENT ON COLUMN abandoned_carts.is_contactable IS 'The newest consent told; null if none.';
COMMENT ON COLUMN abandoned_carts.status IS 'ACTIVE, ABANDONED, RECOVERED, EXPIRED, CONVERTED or EMPTIED.';
COMMENT ON COLUMN abandoned_carts.detection IS 'TIMER: found silent by us; PLATFORM: reported abandoned by the platform.';
COMMENT ON COLUMN abandoned_carts.time_basis IS 'Where the times come from: PAYLOAD, SHOP_ZONE or RECEIVED.';
COMMENT ON COLUMN abandoned_carts.first_seen_at IS 'First activity; for PLATFORM the cart''s creation.';
COMMENT ON COLUMN abandoned_carts.last_activity_at IS 'Last activity; null for PLATFORM.';
COMMENT ON COLUMN abandoned_carts.abandoned_at IS 'Latest abandonment: last activity + abandon_after; for PLATFORM when it was first reported.';
COMMENT ON COLUMN abandoned_carts.detected_at IS 'When the sinks found the latest abandonment (this server''s clock).';
COMMENT ON COLUMN abandoned_carts.closed_at IS 'When it was closed by order, expiry or emptying.';
COMMENT ON COLUMN abandoned_carts.abandon_count IS 'How often it was abandoned.';
COMMENT ON COLUMN abandoned_carts.item_count IS 'Units in the last non-empty state.';
COMMENT ON COLUMN abandoned_carts.items IS 'Lines of the last non-empty state.';
COMMENT ON COLUMN abandoned_carts.cart_value IS 'Value of the last non-empty state, only from prices that the cart tells.';
COMMENT ON COLUMN abandoned_carts.value_source IS 'Where cart_value comes from.';
COMMENT ON COLUMN abandoned_carts.currency IS 'ISO 4217.';
COMMENT ON COLUMN abandoned_carts.order_key IS 'The order that closed it.';
COMMENT ON COLUMN abandoned_carts.link_method IS 'How that order names the cart.';
COMMENT ON COLUMN abandoned_carts.time_to_recover IS 'From the latest abandonment to the order; null where the order is earlier.';
COMMENT ON COLUMN abandoned_carts.recovered_value IS 'Newest net of that order; null if the currencies differ.';
COMMENT ON COLUMN abandoned_carts.item_overlap IS 'Share of the cart''s lines that are in the order, 0 to 1; null if the cart names none.';
COMMENT ON COLUMN abandoned_carts.is_test IS 'True for a test cart.';
COMMENT ON COLUMN abandoned_carts.source_event_id IS 'Event that last shaped the row.';
COMMENT ON COLUMN abandoned_carts.raw_partition IS 'Partition of that event''s raw record.';
COMMENT ON COLUMN abandoned_carts.raw_offset IS 'Offset of that event''s raw record.';

CREATE TABLE cart_generations (
    cart_key text NOT NULL,
    generation integer NOT NULL,
    source text NOT NULL,
    shop text NOT NULL,
    native_cart_id text NOT NULL,
    customer_key text,
    person_key text,
    is_contactable boolean,
    status text NOT NULL,
    detection text NOT NULL,
    time_basis text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_activity_at timestamptz,
    abandoned_at timestamptz,
    closed_at timestamptz,
    abandon_count integer NOT NULL,
    item_count bigint,
    items jsonb,
    cart_value numeric(20,4),
    value_source text,
    currency text,
    order_key text,
    link_method text,
    time_to_recover interval,
    recovered_value numeric(20,4),
    item_overlap numeric(5,4),
    is_test boolean NOT NULL,
    source_event_id uuid NOT NULL,
    raw_partition integer NOT NULL,
    raw_offset bigint NOT NULL,
    timezone text NOT NULL,
    next_due timestamptz,
    fold jsonb NOT NULL,
    PRIMARY KEY (cart_key, generation)
);
COMMENT ON TABLE cart_generations IS 'Every generation of every cart, abandoned or not: the base of the rates.';
COMMENT ON COLUMN cart_generations.cart_key IS 'The cart: source/shop/cart:id.';
COMMENT ON COLUMN cart_generations.generation IS 'Which life of the cart, from 1.';
COMMENT ON COLUMN cart_generations.source IS 'Platform.';
COMMENT ON COLUMN cart_generations.shop IS 'The shop''s id.';
COMMENT ON COLUMN cart_generations.native_cart_id IS 'The platform''s own cart id.';
COMMENT ON COLUMN cart_generations.customer_key IS 'Whose cart it is; null where not told.';
COMMENT ON COLUMN cart_generations.person_key IS 'The customer''s newest e-mail hash: links shops, merges no customers.';
COMMENT ON COLUMN cart_generations.is_contactable IS 'The newest consent told; null if none.';
COMMENT ON COLUMN cart_generations.status IS 'ACTIVE, ABANDONED, RECOVERED, EXPIRED, CONVERTED or EMPTIED.';
COMMENT ON COLUMN cart_generations.detection IS 'TIMER: found silent by us; PLATFORM: reported abandoned by the platform.';
COMMENT ON COLUMN cart_generations.time_basis IS 'Where the times come from: PAYLOAD, SHOP_ZONE or RECEIVED.';
COMMENT ON COLUMN cart_generations.first_seen_at IS 'First activity; for PLATFORM the cart''s creation.';
COMMENT ON COLUMN cart_generations.last_activity_at IS 'Last activity; null for PLATFORM.';
COMMENT ON COLUMN cart_generations.abandoned_at IS 'Latest abandonment: last activity + abandon_after; for PLATFORM when it was first reported.';
COMMENT ON COLUMN cart_generations.closed_at IS 'When it was closed by order, expiry or emptying.';
COMMENT ON COLUMN cart_generations.abandon_count IS 'How often it was abandoned.';
COMMENT ON COLUMN cart_generations.item_count IS 'Units in the last non-empty state.';
COMMENT ON COLUMN cart_generations.items IS 'Lines of the last non-empty state.';
COMMENT ON COLUMN cart_generations.cart_value IS 'Value of the last non-empty state, only from prices that the cart tells.';
COMMENT ON COLUMN cart_generations.value_source IS 'Where cart_value comes from.';
COMMENT ON COLUMN cart_generations.currency IS 'ISO 4217.';
COMMENT ON COLUMN cart_generations.order_key IS 'The order that closed it.';
COMMENT ON COLUMN cart_generations.link_method IS 'How that order names the cart.';
COMMENT ON COLUMN cart_generations.time_to_recover IS 'From the latest abandonment to the order; null where the order is earlier.';
COMMENT ON COLUMN cart_generations.recovered_value IS 'Newest net of that order; null if the currencies differ.';
COMMENT ON COLUMN cart_generations.item_overlap IS 'Share of the cart''s lines that are in the order, 0 to 1; null if the cart names none.';
COMMENT ON COLUMN cart_generations.is_test IS 'True for a test cart.';
COMMENT ON COLUMN cart_generations.source_event_id IS 'Event that last shaped the row.';
COMMENT ON COLUMN cart_generations.raw_partition IS 'Partition of that event''s raw record.';
COMMENT ON COLUMN cart_generations.raw_offset IS 'Offset of that event''s raw record.';
COMMENT ON COLUMN cart_generations.timezone IS 'Zone of the shop''s days.';
COMMENT ON COLUMN cart_generations.next_due IS 'Watermark at which this row says something else without any new event; null if never.';
COMMENT ON COLUMN cart_generations.fold IS 'The generation as the fold gave it, to compare the next fold with.';

CREATE TABLE customer_lifetime_value (
    customer_key text NOT NULL,
    currency text NOT NULL,
    source text NOT NULL,
    shop text NOT NULL,
    person_key text,
    first_order_at timestamptz,
    last_order_at timestamptz,
    orders_count bigint NOT NULL,
    gross numeric,
    discounts numeric,
    taxes numeric,
    shipping numeric,
    gift_cards_sold numeric,
    refunded numeric,
    net numeric,
    avg_order_value numeric,
    pending_revenue numeric NOT NULL,
    cancelled_count bigint NOT NULL,
    subscription_revenue numeric,
    active_subscriptions bigint,
    abandoned_carts_count bigint,
    reported_revenue numeric,
    reported_orders bigint,
    reported_refunded numeric,
    reported_delta numeric,
    refunds_observable boolean NOT NULL,
    history_complete boolean,
    cohort_month date,
    frequency bigint,
    recency bigint,
    t bigint,
    monetary numeric,
    as_of timestamptz,
    probability_alive double precision,
    expected_purchases_30d double precision,
    expected_purchases_90d double precision,
    expected_purchases_365d double precision,
    expected_value_30d numeric,
    expected_value_90d numeric,
    expected_value_365d numeric,
    discounted_clv numeric,
    ineligible_reason text,
    source_event_id uuid,
    raw_partition integer,
    raw_offset bigint,
    PRIMARY KEY (customer_key, currency)
);
COMMENT ON TABLE customer_lifetime_value IS 'One row per customer and currency: what the customer''s orders come to.';
COMMENT ON COLUMN customer_lifetime_value.customer_key IS 'source/shop/customer:id, or source/shop/guest:hash.';
COMMENT ON COLUMN customer_lifetime_value.currency IS 'ISO 4217; currencies are never added up. Empty where neither payload nor shop names one.';
COMMENT ON COLUMN customer_lifetime_value.source IS 'Platform.';
COMMENT ON COLUMN customer_lifetime_value.shop IS 'The shop''s id.';
COMMENT ON COLUMN customer_lifetime_value.person_key IS 'The newest e-mail hash: links shops, merges no customers.';
COMMENT ON COLUMN customer_lifetime_value.first_order_at IS 'First counted order.';
COMMENT ON COLUMN customer_lifetime_value.last_order_at IS 'Last counted order.';
COMMENT ON COLUMN customer_lifetime_value.orders_count IS 'Counted orders.';
COMMENT ON COLUMN customer_lifetime_value.gross IS 'Items of counted orders before discounts, without tax, shipping and gift cards sold.';
COMMENT ON COLUMN customer_lifetime_value.discounts IS 'Discounts without tax.';
COMMENT ON COLUMN customer_lifetime_value.taxes IS 'Tax told; null = none told.';
COMMENT ON COLUMN customer_lifetime_value.shipping IS 'Shipping told; null = none told.';
COMMENT ON COLUMN customer_lifetime_value.gift_cards_sold IS 'Gift cards sold, apart from goods.';
COMMENT ON COLUMN customer_lifetime_value.refunded IS 'Goods part of refunds.';
COMMENT ON COLUMN customer_lifetime_value.net IS 'gross - discounts - refunded; null where it cannot be known.';
COMMENT ON COLUMN customer_lifetime_value.avg_order_value IS 'net / orders_count.';
COMMENT ON COLUMN customer_lifetime_value.pending_revenue IS 'What pending orders would come to.';
COMMENT ON COLUMN customer_lifetime_value.cancelled_count IS 'Orders cancelled or deleted.';
COMMENT ON COLUMN customer_lifetime_value.subscription_revenue IS 'Net of renewals: a part of net.';
COMMENT ON COLUMN customer_lifetime_value.active_subscriptions IS 'Subscriptions now active; null where the platform tells none.';
COMMENT ON COLUMN customer_lifetime_value.abandoned_carts_count IS 'Rows in abandoned_carts, tests apart; null where the platform tells no carts.';
COMMENT ON COLUMN customer_lifetime_value.reported_revenue IS 'Revenue as the platform itself counts it.';
COMMENT ON COLUMN customer_lifetime_value.reported_orders IS 'Orders as the platform itself counts them.';
COMMENT ON COLUMN customer_lifetime_value.reported_refunded IS 'Refunds as the platform itself counts them.';
COMMENT ON COLUMN customer_lifetime_value.reported_delta IS 'reported_revenue - totals of counted orders; means something only where history_complete.';
COMMENT ON COLUMN customer_lifetime_value.refunds_observable IS 'True where the platform tells refunds.';
COMMENT ON COLUMN customer_lifetime_value.history_complete IS 'True if the customer was created after the shop''s first delivery; false if before, or if the platform counts more orders than we saw.';
COMMENT ON COLUMN customer_lifetime_value.cohort_month IS 'First day of the month of the first counted order, in the shop''s zone.';
COMMENT ON COLUMN customer_lifetime_value.frequency IS 'Distinct days with an order, renewals apart, less one.';
COMMENT ON COLUMN customer_lifetime_value.recency IS 'Days from the first to the last of those days.';
COMMENT ON COLUMN customer_lifetime_value.t IS 'Days from the first of those days to as_of.';
COMMENT ON COLUMN customer_lifetime_value.monetary IS 'Mean net of the repeat days; null at frequency 0.';
COMMENT ON COLUMN customer_lifetime_value.as_of IS 'Instant that t speaks of: the watermark''s day.';
COMMENT ON COLUMN customer_lifetime_value.probability_alive IS 'Predicted; null until predicted, or where it does not suit.';
COMMENT ON COLUMN customer_lifetime_value.expected_purchases_30d IS 'Predicted purchases in 30 days.';
COMMENT ON COLUMN customer_lifetime_value.expected_purchases_90d IS 'Predicted purchases in 90 days.';
COMMENT ON COLUMN customer_lifetime_value.expected_purchases_365d IS 'Predicted purchases in 365 days.';
COMMENT ON COLUMN customer_lifetime_value.expected_value_30d IS 'Predicted net in 30 days.';
COMMENT ON COLUMN customer_lifetime_value.expected_value_90d IS 'Predicted net in 90 days.';
COMMENT ON COLUMN customer_lifetime_value.expected_value_365d IS 'Predicted net in 365 days.';
COMMENT ON COLUMN customer_lifetime_value.discounted_clv IS 'Predicted net in 365 days, discounted.';
COMMENT ON COLUMN customer_lifetime_value.ineligible_reason IS 'Why there is no net, cohort or prediction.';
COMMENT ON COLUMN customer_lifetime_value.source_event_id IS 'Newest event of the customer.';
COMMENT ON COLUMN customer_lifetime_value.raw_partition IS 'Partition of that event''s raw record.';
COMMENT ON COLUMN customer_lifetime_value.raw_offset IS 'Offset of that event''s raw record.';

CREATE FUNCTION half_even(amount numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN abs(amount * 10000 - trunc(amount * 10000)) = 0.5 AND trunc(amount * 10000) % 2 = 0
    THEN round(trunc(amount * 10000) / 10000, 4)
    ELSE round(amount, 4)
END;
COMMENT ON FUNCTION half_even IS 'Rounded to four places, ties to the even digit, as all money here.';
