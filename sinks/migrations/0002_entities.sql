-- Working tables, keyed by entity.
CREATE TABLE carts (
    cart_key text PRIMARY KEY,
    source text NOT NULL,
    shop text NOT NULL,
    native_cart_id text NOT NULL,
    cart_token text,
    customer_key text,
    customer_id text,
    email_hash text,
    abandoned boolean NOT NULL,
    created_at timestamptz,
    updated_at timestamptz,
    items jsonb,
    total numeric(18,4),
    currency text,
    timezone text NOT NULL,
    next_due timestamptz,
    links text[] NOT NULL,
    attributes jsonb,
    is_test boolean NOT NULL,
    version_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    appended_at timestamptz NOT NULL,
    layers jsonb NOT NULL,
    source_event_id uuid NOT NULL,
    raw_partition integer NOT NULL,
    raw_offset bigint NOT NULL
);
CREATE INDEX carts_due ON carts (next_due) WHERE next_due IS NOT NULL;
CREATE INDEX carts_links ON carts USING gin (links) WITH (fastupdate = off);
CREATE INDEX carts_customer ON carts (customer_key) WHERE customer_key IS NOT NULL;
COMMENT ON TABLE carts IS 'Carts as their platforms tell them, newest state by field; their generations stand in cart_generations.';
COMMENT ON COLUMN carts.cart_key IS 'The cart: source/shop/cart:id.';
COMMENT ON COLUMN carts.source IS 'Platform.';
COMMENT ON COLUMN carts.shop IS 'The shop''s id.';
COMMENT ON COLUMN carts.native_cart_id IS 'The platform''s own cart id; the customer''s id where a cart has none.';
COMMENT ON COLUMN carts.cart_token IS 'Token by which an order names its cart.';
COMMENT ON COLUMN carts.customer_key IS 'Whose cart it is: source/shop/customer:id, or guest:hash; null where not told.';
COMMENT ON COLUMN carts.customer_id IS 'The platform''s own customer id.';
COMMENT ON COLUMN carts.email_hash IS 'Keyed hash of the normalised e-mail address.';
COMMENT ON COLUMN carts.abandoned IS 'True where the platform itself reports the cart abandoned.';
COMMENT ON COLUMN carts.created_at IS 'When the cart was created, where told.';
COMMENT ON COLUMN carts.updated_at IS 'When the cart last changed, where told.';
COMMENT ON COLUMN carts.items IS 'Lines of the newest state; null = not told.';
COMMENT ON COLUMN carts.total IS 'Value of the lines, only from prices that the cart tells.';
COMMENT ON COLUMN carts.currency IS 'ISO 4217.';
COMMENT ON COLUMN carts.timezone IS 'Zone of the shop''s days.';
COMMENT ON COLUMN carts.next_due IS 'Watermark at which the rows of this cart say something else without any new event; null if never.';
COMMENT ON COLUMN carts.links IS 'Keys that link the cart with orders and customers.';
COMMENT ON COLUMN carts.attributes IS 'What else the platform tells.';
COMMENT ON COLUMN carts.is_test IS 'True for a platform''s test delivery or a test shop''s.';
COMMENT ON COLUMN carts.version_at IS 'First part of the newest version: the source''s own change time, or the raw append time.';
COMMENT ON COLUMN carts.occurred_at IS 'When the newest event happened.';
COMMENT ON COLUMN carts.appended_at IS 'When Kafka appended the raw record of the newest event.';
COMMENT ON COLUMN carts.layers IS 'What each event told, by version: the merge needs it, analysts do not.';
COMMENT ON COLUMN carts.source_event_id IS 'Event with the newest version: where this row comes from.';
COMMENT ON COLUMN carts.raw_partition IS 'Partition of that event''s raw record.';
COMMENT ON COLUMN carts.raw_offset IS 'Offset of that event''s raw record.';

CREATE TABLE cart_activity (
    event_id uuid NOT NULL,
    cart_key text NOT NULL,
    occurred_at timestamptz NOT NULL,
    activity jsonb NOT NULL,
    raw_partition integer NOT NULL,
    raw_offset bigint NOT NULL,
    PRIMARY KEY (cart_key, event_id)
);
COMMENT ON TABLE cart_activity IS 'Every cart event, from which the generations are folded.';
COMMENT ON COLUMN cart_activity.event_id IS 'The event.';
COMMENT ON COLUMN cart_activity.cart_key IS 'The cart.';
COMMENT ON COLUMN cart_activity.occurred_at IS 'When it happened.';
COMMENT ON COLUMN cart_activity.activity IS 'What the fold takes of it.';
COMMENT ON COLUMN cart_activity.raw_partition IS 'Partition of its raw record.';
COMMENT ON COLUMN cart_activity.raw_offset IS 'Offset of its raw record.';

CREATE TABLE orders (
    order_key text PRIMARY KEY,
    source text NOT NULL,
    shop text NOT NULL,
    order_id text NOT NULL,
    order_number text,
    customer_key text,
    customer_id text,
    email_hash text,
    cart_id text,
    cart_token text,
    subscription_key text,
    status text NOT NULL,
    status_word text,
    fulfillment_word text,
    is_draft boolean NOT NULL,
    is_deleted boolean NOT NULL,
    is_renewal boolean NOT NULL,
    placed_at timestamptz NOT NULL,
    created_at timestamptz,
    updated_at timestamptz,
    cancelled_at timestamptz,
    currency text,
    currency_source text,
    timezone text NOT NULL,
    items_total numeric(18,4),
    discount_total numeric(18,4),
    tax_total numeric(18,4),
    shipping_total numeric(18,4),
    total numeric(18,4),
    paid_total numeric(18,4),
    refunded_total numeric(18,4),
    refunded_goods numeric(18,4),
    gift_card_redeemed numeric(18,4),
    taxes_included boolean,
    standing text NOT NULL,
    gross numeric(20,4),
    discounts numeric(20,4),
    taxes numeric(20,4),
    shipping numeric(20,4),
    gift_cards_sold numeric(20,4),
    refunded numeric(20,4),
    net numeric(20,4),
    pending numeric(20,4),
    counted_total numeric(20,4),
    refunds_observable boolean NOT NULL,
    reason text,
    next_billing_at timestamptz,
    links text[] NOT NULL,
    attributes jsonb,
    is_test boolean NOT NULL,
    version_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    appended_at timestamptz NOT NULL,
    layers jsonb NOT NULL,
    source_event_id uuid NOT NULL,
    raw_partition integer NOT NULL,
    raw_offset bigint NOT NULL
);
CREATE INDEX orders_customer ON orders (customer_key) WHERE customer_key IS NOT NULL;
CREATE INDEX orders_subscription ON orders (subscription_key) WHERE subscription_key IS NOT NULL;
CREATE INDEX orders_links ON orders USING gin (links) WITH (fastupdate = off);
COMMENT ON TABLE orders IS 'Orders as their platforms tell them, newest state by field, and what they are worth.';
COMMENT ON COLUMN orders.order_key IS 'The order: source/shop/order:id.';
COMMENT ON COLUMN orders.source IS 'Platform.';
COMMENT ON COLUMN orders.shop IS 'The shop''s id.';
COMMENT ON COLUMN orders.order_id IS 'The platform''s own order id.';
COMMENT ON COLUMN orders.order_number IS 'The number that people see.';
COMMENT ON COLUMN orders.customer_key IS 'Who ordered: source/shop/customer:id, or guest:hash; null where not told.';
COMMENT ON COLUMN orders.customer_id IS 'The platform''s own customer id.';
COMMENT ON COLUMN orders.email_hash IS 'Keyed hash of the normalised e-mail address.';
COMMENT ON COLUMN orders.cart_id IS 'Cart that became this order, where told by id.';
COMMENT ON COLUMN orders.cart_token IS 'Cart that became this order, where told by token.';
COMMENT ON COLUMN orders.subscription_key IS 'Subscription that the order belongs to.';
COMMENT ON COLUMN orders.status IS 'How far the order is as money.';
COMMENT ON COLUMN orders.status_word IS 'The platform''s own word for it.';
COMMENT ON COLUMN orders.fulfillment_word IS 'The platform''s own word for the fulfilment.';
COMMENT ON COLUMN orders.is_draft IS 'True while nobody has placed it.';
COMMENT ON COLUMN orders.is_deleted IS 'True once the platform told its deletion.';
COMMENT ON COLUMN orders.is_renewal IS 'True where a subscription billed again: nobody decided to buy that day.';
COMMENT ON COLUMN orders.placed_at IS 'When it was placed; else created; else when the newest event happened.';
COMMENT ON COLUMN orders.created_at IS 'When it was created, where told.';
COMMENT ON COLUMN orders.updated_at IS 'When it last changed, where told.';
COMMENT ON COLUMN orders.cancelled_at IS 'When it was cancelled, where told.';
COMMENT ON COLUMN orders.currency IS 'ISO 4217, the payload''s, else the shop''s.';
COMMENT ON COLUMN orders.currency_source IS 'Who named the currency: PAYLOAD or SHOP.';
COMMENT ON COLUMN orders.timezone IS 'Zone of the shop''s days.';
COMMENT ON COLUMN orders.items_total IS 'Goods before discounts, as the payload''s prices stand.';
COMMENT ON COLUMN orders.discount_total IS 'Discounts, as told.';
COMMENT ON COLUMN orders.tax_total IS 'Tax, as told.';
COMMENT ON COLUMN orders.shipping_total IS 'Shipping, as told.';
COMMENT ON COLUMN orders.total IS 'All that the customer owes, as told.';
COMMENT ON COLUMN orders.paid_total IS 'What was paid, as told.';
COMMENT ON COLUMN orders.refunded_total IS 'What was refunded in all, as told.';
COMMENT ON COLUMN orders.refunded_goods IS 'The part of the refund that is goods, as told.';
COMMENT ON COLUMN orders.gift_card_redeemed IS 'Paid by gift card or store credit: tender, no discount.';
COMMENT ON COLUMN orders.taxes_included IS 'True where prices hold tax: the payload''s word, else the shop''s.';
COMMENT ON COLUMN orders.standing IS 'What it is as money: COUNTED, PENDING, CANCELLED, TEST, DRAFT or NOT_A_SALE.';
COMMENT ON COLUMN orders.gross IS 'Goods before discounts, without tax, shipping and gift cards sold.';
COMMENT ON COLUMN orders.discounts IS 'Discounts without tax.';
COMMENT ON COLUMN orders.taxes IS 'Tax; null = not told.';
COMMENT ON COLUMN orders.shipping IS 'Shipping; null = not told.';
COMMENT ON COLUMN orders.gift_cards_sold IS 'Gift cards sold: kept apart from goods.';
COMMENT ON COLUMN orders.refunded IS 'The goods part of what was refunded.';
COMMENT ON COLUMN orders.net IS 'gross - discounts - refunded; null where it cannot be known.';
COMMENT ON COLUMN orders.pending IS 'What the net of a pending order would be.';
COMMENT ON COLUMN orders.counted_total IS 'Total, tax and shipping in, of a counted order.';
COMMENT ON COLUMN orders.refunds_observable IS 'True where the platform tells refunds.';
COMMENT ON COLUMN orders.reason IS 'Why a counted or pending order has no net.';
COMMENT ON COLUMN orders.next_billing_at IS 'When the subscription bills next, where told.';
COMMENT ON COLUMN orders.links IS 'Keys that link the order with carts and customers.';
COMMENT ON COLUMN orders.attributes IS 'What else the platform tells.';
COMMENT ON COLUMN orders.is_test IS 'True for a platform''s test delivery or a test shop''s.';
COMMENT ON COLUMN orders.version_at IS 'First part of the newest version: the source''s own change time, or the raw append time.';
COMMENT ON COLUMN orders.occurred_at IS 'When the newest event happened.';
COMMENT ON COLUMN orders.appended_at IS 'When Kafka appended the raw record of the newest event.';
COMMENT ON COLUMN orders.layers IS 'What each event told, by version: the merge needs it, analysts do not.';
COMMENT ON COLUMN orders.source_event_id IS 'Event with the newest version: where this row comes from.';
COMMENT ON COLUMN orders.raw_partition IS 'Partition of that event''s raw record.';
COMMENT ON COLUMN orders.raw_offset IS 'Offset of that event''s raw record.';

CREATE TABLE order_items (
    order_key text NOT NULL,
    position integer NOT NULL,
    line_id text,
    product_id text,
    variant_id text,
    sku text,
    name text,
    quantity bigint,
    unit_price numeric(18,4),
    line_total numeric(18,4),
    discount numeric(18,4),
    tax numeric(18,4),
    is_gift_card boolean,
    status_word text,
    source_event_id uuid NOT NULL,
    PRIMARY KEY (order_key, position)
);
COMMENT ON TABLE order_items IS 'Lines of the orders, newest state.';
COMMENT ON COLUMN order_items.order_key IS 'The order.';
COMMENT ON COLUMN order_items.position IS 'Place in the order, from 1.';
COMMENT ON COLUMN order_items.line_id IS 'The line''s own id or key, where it has one.';
COMMENT ON COLUMN order_items.product_id IS 'Product.';
COMMENT ON COLUMN order_items.variant_id IS 'Variant, more precise than the product.';
COMMENT ON COLUMN order_items.sku IS 'Stock keeping unit.';
COMMENT ON COLUMN order_items.name IS 'The product''s name as sold.';
COMMENT ON COLUMN order_items.quantity IS 'Units.';
COMMENT ON COLUMN order_items.unit_price IS 'Price of one unit before discounts.';
COMMENT ON COLUMN order_items.line_total IS 'Price of the whole line before discounts.';
COMMENT ON COLUMN order_items.discount IS 'Discount on the line.';
COMMENT ON COLUMN order_items.tax IS 'Tax on the line.';
COMMENT ON COLUMN order_items.is_gift_card IS 'True for a gift card sold.';
COMMENT ON COLUMN order_items.status_word IS 'The platform''s own word for the line''s state.';
COMMENT ON COLUMN order_items.source_event_id IS 'Event with the order''s newest version.';

CREATE TABLE customers (
    customer_key text PRIMARY KEY,
    source text NOT NULL,
    shop text NOT NULL,
    customer_id text,
    email_hash text,
    person_key text,
    is_contactable boolean,
    created_at timestamptz,
    updated_at timestamptz,
    state_word text,
    is_deleted boolean NOT NULL,
    credit_balance numeric(18,4),
    currency text,
    has_active_subscription boolean,
    shop_currency text,
    timezone text NOT NULL,
    attributes jsonb,
    is_test boolean NOT NULL,
    version_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    appended_at timestamptz NOT NULL,
    layers jsonb NOT NULL,
    source_event_id uuid NOT NULL,
    raw_partition integer NOT NULL,
    raw_offset bigint NOT NULL
);
CREATE INDEX customers_created ON customers (source, shop, created_at) WHERE created_at IS NOT NULL;
COMMENT ON TABLE customers IS 'Customers as all events tell them, newest state by field, without contact data.';
COMMENT ON COLUMN customers.customer_key IS 'source/shop/customer:id, or source/shop/guest:hash.';
COMMENT ON COLUMN customers.source IS 'Platform.';
COMMENT ON COLUMN customers.shop IS 'The shop''s id.';
COMMENT ON COLUMN customers.customer_id IS 'The platform''s own customer id; null for a guest.';
COMMENT ON COLUMN customers.email_hash IS 'Newest keyed hash of the normalised e-mail address.';
COMMENT ON COLUMN customers.person_key IS 'Links a person''s customers across shops (the newest hash); merges none of them.';
COMMENT ON COLUMN customers.is_contactable IS 'The newest consent told; null if none: an address is no consent.';
COMMENT ON COLUMN customers.created_at IS 'When the platform created the customer.';
COMMENT ON COLUMN customers.updated_at IS 'When the customer last changed, where told.';
COMMENT ON COLUMN customers.state_word IS 'The platform''s own word for the account''s state.';
COMMENT ON COLUMN customers.is_deleted IS 'True once the platform told the deletion.';
COMMENT ON COLUMN customers.credit_balance IS 'Store credit the customer holds.';
COMMENT ON COLUMN customers.currency IS 'ISO 4217, where told.';
COMMENT ON COLUMN customers.has_active_subscription IS 'As told.';
COMMENT ON COLUMN customers.shop_currency IS 'The shop''s currency when the customer was last heard of.';
COMMENT ON COLUMN customers.timezone IS 'Zone of the shop''s days when the customer was last heard of.';
COMMENT ON COLUMN customers.attributes IS 'What else the platform tells.';
COMMENT ON COLUMN customers.is_test IS 'True for a platform''s test delivery or a test shop''s.';
COMMENT ON COLUMN customers.version_at IS 'First part of the newest version: the source''s own change time, or the raw append time.';
COMMENT ON COLUMN customers.occurred_at IS 'When the newest event happened.';
COMMENT ON COLUMN customers.appended_at IS 'When Kafka appended the raw record of the newest event.';
COMMENT ON COLUMN customers.layers IS 'What each event told, by version: the merge needs it, analysts do not.';
COMMENT ON COLUMN customers.source_event_id IS 'Event with the newest version: where this row comes from.';
COMMENT ON COLUMN customers.raw_partition IS 'Partition of that event''s raw record.';
COMMENT ON COLUMN customers.raw_offset IS 'Offset of that event''s raw record.';

CREATE TABLE customer_contacts (
    customer_key text PRIMARY KEY,
    title text,
    first_name text,
    last_name text,
    name text,
    email text,
    phone text,
    layers jsonb NOT NULL
);
COMMENT ON TABLE customer_contacts IS 'Contact data: personal. The read-only role does not see this table.';
COMMENT ON COLUMN customer_contacts.customer_key IS 'The customer.';
COMMENT ON COLUMN customer_contacts.title IS 'Title.';
COMMENT ON COLUMN customer_contacts.first_name IS 'First name.';
COMMENT ON COLUMN customer_contacts.last_name IS 'Last name.';
COMMENT ON COLUMN customer_contacts.name IS 'Name, where told in one piece.';
COMMENT ON COLUMN customer_contacts.email IS 'E-mail address.';
COMMENT ON COLUMN customer_contacts.phone IS 'Telephone number.';
COMMENT ON COLUMN customer_contacts.layers IS 'What each event told, by version: the merge needs it.';

CREATE TABLE reported_totals (
    total_key text PRIMARY KEY,
    customer_key text NOT NULL,
    currency text NOT NULL,
    revenue numeric(18,4),
    refunded numeric(18,4),
    orders_count bigint,
    orders_version jsonb,
    layers jsonb NOT NULL,
    source_event_id uuid NOT NULL
);
CREATE INDEX reported_totals_customer ON reported_totals (customer_key);
COMMENT ON TABLE reported_totals IS 'Running totals of customers that the platforms keep themselves: the newest of each currency.';
COMMENT ON COLUMN reported_totals.total_key IS 'Currency and customer.';
COMMENT ON COLUMN reported_totals.customer_key IS 'The customer.';
COMMENT ON COLUMN reported_totals.currency IS 'ISO 4217; empty where neither the payload nor the shop names one.';
COMMENT ON COLUMN reported_totals.revenue IS 'Money received, as told.';
COMMENT ON COLUMN reported_totals.refunded IS 'Money refunded, as told.';
COMMENT ON COLUMN reported_totals.orders_count IS 'Orders, as told.';
COMMENT ON COLUMN reported_totals.orders_version IS 'Version of the event that told orders_count.';
COMMENT ON COLUMN reported_totals.layers IS 'What each event told, by version: the merge needs it, analysts do not.';
COMMENT ON COLUMN reported_totals.source_event_id IS 'Event with the newest version.';

CREATE TABLE subscriptions (
    subscription_key text PRIMARY KEY,
    source text NOT NULL,
    shop text NOT NULL,
    subscription_id text NOT NULL,
    native_id text,
    customer_key text,
    customer_id text,
    email_hash text,
    status text NOT NULL,
    is_active boolean,
    is_paused boolean,
    is_deleted boolean NOT NULL,
    plan_id text,
    plan_name text,
    price numeric(18,4),
    currency text,
    interval text,
    interval_count bigint,
    created_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    next_billing_at timestamptz,
    successful_transactions bigint,
    reported_revenue numeric(18,4),
    reported_refunded numeric(18,4),
    attributes jsonb,
    is_test boolean NOT NULL,
    version_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    appended_at timestamptz NOT NULL,
    layers jsonb NOT NULL,
    source_event_id uuid NOT NULL,
    raw_partition integer NOT NULL,
    raw_offset bigint NOT NULL
);
CREATE INDEX subscriptions_customer ON subscriptions (customer_key) WHERE customer_key IS NOT NULL;
COMMENT ON TABLE subscriptions IS 'Subscriptions as their platforms tell them, newest state by field.';
COMMENT ON COLUMN subscriptions.subscription_key IS 'source/shop/subscription:uuid.';
COMMENT ON COLUMN subscriptions.source IS 'Platform.';
COMMENT ON COLUMN subscriptions.shop IS 'The shop''s id.';
COMMENT ON COLUMN subscriptions.subscription_id IS 'The subscription''s uuid.';
COMMENT ON COLUMN subscriptions.native_id IS 'The platform''s number for it.';
COMMENT ON COLUMN subscriptions.customer_key IS 'Whose it is by its own word; the orders that name it may tell it too.';
COMMENT ON COLUMN subscriptions.customer_id IS 'The platform''s own customer id.';
COMMENT ON COLUMN subscriptions.email_hash IS 'Keyed hash of the normalised e-mail address.';
COMMENT ON COLUMN subscriptions.status IS 'How it stands.';
COMMENT ON COLUMN subscriptions.is_active IS 'As told.';
COMMENT ON COLUMN subscriptions.is_paused IS 'As told.';
COMMENT ON COLUMN subscriptions.is_deleted IS 'True once the platform told the deletion.';
COMMENT ON COLUMN subscriptions.plan_id IS 'Plan.';
COMMENT ON COLUMN subscriptions.plan_name IS 'The plan''s name.';
COMMENT ON COLUMN subscriptions.price IS 'Price of an interval.';
COMMENT ON COLUMN subscriptions.currency IS 'ISO 4217.';
COMMENT ON COLUMN subscriptions.interval IS 'Unit of the interval.';
COMMENT ON COLUMN subscriptions.interval_count IS 'Units in an interval.';
COMMENT ON COLUMN subscriptions.created_at IS 'When it was created.';
COMMENT ON COLUMN subscriptions.started_at IS 'When it began.';
COMMENT ON COLUMN subscriptions.ended_at IS 'When it ended.';
COMMENT ON COLUMN subscriptions.next_billing_at IS 'When it bills next.';
COMMENT ON COLUMN subscriptions.successful_transactions IS 'Successful transactions so far.';
COMMENT ON COLUMN subscriptions.reported_revenue IS 'Money received over its life, as its platform counts.';
COMMENT ON COLUMN subscriptions.reported_refunded IS 'Money refunded over its life, as its platform counts.';
COMMENT ON COLUMN subscriptions.attributes IS 'What else the platform tells.';
COMMENT ON COLUMN subscriptions.is_test IS 'True for a platform''s test delivery or a test shop''s.';
COMMENT ON COLUMN subscriptions.version_at IS 'First part of the newest version: the source''s own change time, or the raw append time.';
COMMENT ON COLUMN subscriptions.occurred_at IS 'When the newest event happened.';
COMMENT ON COLUMN subscriptions.appended_at IS 'When Kafka appended the raw record of the newest event.';
COMMENT ON COLUMN subscriptions.layers IS 'What each event told, by version: the merge needs it, analysts do not.';
COMMENT ON COLUMN subscriptions.source_event_id IS 'Event with the newest version: where this row comes from.';
COMMENT ON COLUMN subscriptions.raw_partition IS 'Partition of that event''s raw record.';
COMMENT ON COLUMN subscriptions.raw_offset IS 'Offset of that event''s raw record.';

CREATE TABLE payments (
    payment_key text PRIMARY KEY,
    source text NOT NULL,
    shop text NOT NULL,
    payment_id text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    status_word text,
    order_id text,
    subscription_id text,
    customer_key text,
    customer_id text,
    email_hash text,
    amount numeric(18,4),
    currency text,
    method_word text,
    created_at timestamptz,
    updated_at timestamptz,
    attributes jsonb,
    is_test boolean NOT NULL,
    version_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    appended_at timestamptz NOT NULL,
    layers jsonb NOT NULL,
    source_event_id uuid NOT NULL,
    raw_partition integer NOT NULL,
    raw_offset bigint NOT NULL
);
COMMENT ON TABLE payments IS 'Transactions, invoices and credits. Net revenue never comes from here.';
COMMENT ON COLUMN payments.payment_key IS 'source/shop/kind:id.';
COMMENT ON COLUMN payments.source IS 'Platform.';
COMMENT ON COLUMN payments.shop IS 'The shop''s id.';
COMMENT ON COLUMN payments.payment_id IS 'The platform''s own id.';
COMMENT ON COLUMN payments.kind IS 'TRANSACTION, INVOICE, PAYMENT, REFUND or CREDIT.';
COMMENT ON COLUMN payments.status IS 'How it ended.';
COMMENT ON COLUMN payments.status_word IS 'The platform''s own word for it.';
COMMENT ON COLUMN payments.order_id IS 'The order''s own id, where told.';
COMMENT ON COLUMN payments.subscription_id IS 'The subscription''s uuid, where told.';
COMMENT ON COLUMN payments.customer_key IS 'The customer, where told.';
COMMENT ON COLUMN payments.customer_id IS 'The platform''s own customer id.';
COMMENT ON COLUMN payments.email_hash IS 'Keyed hash of the normalised e-mail address.';
COMMENT ON COLUMN payments.amount IS 'Amount; null = not told.';
COMMENT ON COLUMN payments.currency IS 'ISO 4217.';
COMMENT ON COLUMN payments.method_word IS 'The platform''s own word for the means.';
COMMENT ON COLUMN payments.created_at IS 'When it was created, where told.';
COMMENT ON COLUMN payments.updated_at IS 'When it last changed, where told.';
COMMENT ON COLUMN payments.attributes IS 'What else the platform tells.';
COMMENT ON COLUMN payments.is_test IS 'True for a platform''s test delivery or a test shop''s.';
COMMENT ON COLUMN payments.version_at IS 'First part of the newest version: the source''s own change time, or the raw append time.';
COMMENT ON COLUMN payments.occurred_at IS 'When the newest event happened.';
COMMENT ON COLUMN payments.appended_at IS 'When Kafka appended the raw record of the newest event.';
COMMENT ON COLUMN payments.layers IS 'What each event told, by version: the merge needs it, analysts do not.';
COMMENT ON COLUMN payments.source_event_id IS 'Event with the newest version: where this row comes from.';
COMMENT ON COLUMN payments.raw_partition IS 'Partition of that event''s raw record.';
COMMENT ON COLUMN payments.raw_offset IS 'Offset of that event''s raw record.';

CREATE TABLE shipments (
    shipment_key text PRIMARY KEY,
    source text NOT NULL,
    shop text NOT NULL,
    shipment_id text NOT NULL,
    order_id text,
    subscription_id text,
    customer_key text,
    customer_id text,
    email_hash text,
    status text NOT NULL,
    status_word text,
    tracking_number text,
    carrier text,
    items jsonb,
    created_at timestamptz,
    updated_at timestamptz,
    attributes jsonb,
    is_test boolean NOT NULL,
    version_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    appended_at timestamptz NOT NULL,
    layers jsonb NOT NULL,
    source_event_id uuid NOT NULL,
    raw_partition integer NOT NULL,
    raw_offset bigint NOT NULL
);
COMMENT ON TABLE shipments IS 'Parcels, and boxes of subscriptions.';
COMMENT ON COLUMN shipments.shipment_key IS 'source/shop/kind:id.';
COMMENT ON COLUMN shipments.source IS 'Platform.';
COMMENT ON COLUMN shipments.shop IS 'The shop''s id.';
COMMENT ON COLUMN shipments.shipment_id IS 'The platform''s own id.';
COMMENT ON COLUMN shipments.order_id IS 'The order''s own id, where told.';
COMMENT ON COLUMN shipments.subscription_id IS 'The subscription''s uuid, where told.';
COMMENT ON COLUMN shipments.customer_key IS 'The customer, where told.';
COMMENT ON COLUMN shipments.customer_id IS 'The platform''s own customer id.';
COMMENT ON COLUMN shipments.email_hash IS 'Keyed hash of the normalised e-mail address.';
COMMENT ON COLUMN shipments.status IS 'How far it is.';
COMMENT ON COLUMN shipments.status_word IS 'The platform''s own word for it.';
COMMENT ON COLUMN shipments.tracking_number IS 'Tracking number.';
COMMENT ON COLUMN shipments.carrier IS 'Carrier.';
COMMENT ON COLUMN shipments.items IS 'Lines; null = not told.';
COMMENT ON COLUMN shipments.created_at IS 'When it was created, where told.';
COMMENT ON COLUMN shipments.updated_at IS 'When it last changed, where told.';
COMMENT ON COLUMN shipments.attributes IS 'What else the platform tells.';
COMMENT ON COLUMN shipments.is_test IS 'True for a platform''s test delivery or a test shop''s.';
COMMENT ON COLUMN shipments.version_at IS 'First part of the newest version: the source''s own change time, or the raw append time.';
COMMENT ON COLUMN shipments.occurred_at IS 'When the newest event happened.';
COMMENT ON COLUMN shipments.appended_at IS 'When Kafka appended the raw record of the newest event.';
COMMENT ON COLUMN shipments.layers IS 'What each event told, by version: the merge needs it, analysts do not.';
COMMENT ON COLUMN shipments.source_event_id IS 'Event with the newest version: where this row comes from.';
COMMENT ON COLUMN shipments.raw_partition IS 'Partition of that event''s raw record.';
COMMENT ON COLUMN shipments.raw_offset IS 'Offset of that event''s raw record.';

CREATE TABLE consents (
    consent_key text PRIMARY KEY,
    source text NOT NULL,
    shop text NOT NULL,
    consent_id text NOT NULL,
    customer_key text,
    customer_id text,
    email_hash text,
    granted boolean,
    channel text,
    status_word text,
    created_at timestamptz,
    updated_at timestamptz,
    attributes jsonb,
    is_test boolean NOT NULL,
    version_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    appended_at timestamptz NOT NULL,
    layers jsonb NOT NULL,
    source_event_id uuid NOT NULL,
    raw_partition integer NOT NULL,
    raw_offset bigint NOT NULL
);
COMMENT ON TABLE consents IS 'Customers'' words on being contacted.';
COMMENT ON COLUMN consents.consent_key IS 'source/shop/kind:id.';
COMMENT ON COLUMN consents.source IS 'Platform.';
COMMENT ON COLUMN consents.shop IS 'The shop''s id.';
COMMENT ON COLUMN consents.consent_id IS 'The platform''s own id.';
COMMENT ON COLUMN consents.customer_key IS 'The customer, where told.';
COMMENT ON COLUMN consents.customer_id IS 'The platform''s own customer id.';
COMMENT ON COLUMN consents.email_hash IS 'Keyed hash of the normalised e-mail address.';
COMMENT ON COLUMN consents.granted IS 'True if granted, false if refused; null = not told.';
COMMENT ON COLUMN consents.channel IS 'Channel it speaks of.';
COMMENT ON COLUMN consents.status_word IS 'The platform''s own word for it.';
COMMENT ON COLUMN consents.created_at IS 'When it was created, where told.';
COMMENT ON COLUMN consents.updated_at IS 'When it last changed, where told.';
COMMENT ON COLUMN consents.attributes IS 'What else the platform tells.';
COMMENT ON COLUMN consents.is_test IS 'True for a platform''s test delivery or a test shop''s.';
COMMENT ON COLUMN consents.version_at IS 'First part of the newest version: the source''s own change time, or the raw append time.';
COMMENT ON COLUMN consents.occurred_at IS 'When the newest event happened.';
COMMENT ON COLUMN consents.appended_at IS 'When Kafka appended the raw record of the newest event.';
COMMENT ON COLUMN consents.layers IS 'What each event told, by version: the merge needs it, analysts do not.';
COMMENT ON COLUMN consents.source_event_id IS 'Event with the newest version: where this row comes from.';
COMMENT ON COLUMN consents.raw_partition IS 'Partition of that event''s raw record.';
COMMENT ON COLUMN consents.raw_offset IS 'Offset of that event''s raw record.';

