-- For reading: cohorts, segments, the platforms' totals beside ours, what predictions rest on.
CREATE VIEW monthly_cohorts AS
WITH members AS (
    SELECT v.customer_key, v.currency, v.source, v.shop, v.cohort_month, c.timezone,
        (v.as_of AT TIME ZONE c.timezone)::date AS today
    FROM customer_lifetime_value v JOIN customers c USING (customer_key)
    WHERE v.history_complete AND v.cohort_month IS NOT NULL
), cohorts AS (
    SELECT source, shop, currency, cohort_month, count(*) AS customers, max(today) AS today
    FROM members GROUP BY source, shop, currency, cohort_month
), bought AS (
    SELECT m.source, m.shop, m.currency, m.cohort_month,
        date_trunc('month', o.placed_at AT TIME ZONE m.timezone)::date AS month,
        count(DISTINCT o.customer_key) AS buyers, count(*) AS orders,
        CASE WHEN bool_and(o.net IS NOT NULL) THEN sum(o.net) END AS net
    FROM members m JOIN orders o USING (customer_key, currency)
    WHERE o.standing = 'COUNTED'
    GROUP BY 1, 2, 3, 4, 5
)
SELECT c.source, c.shop, c.currency, c.cohort_month,
    ((extract(year FROM each.month) - extract(year FROM c.cohort_month)) * 12
        + extract(month FROM each.month) - extract(month FROM c.cohort_month))::integer
        AS months_since,
    c.customers, coalesce(b.buyers, 0) AS buyers,
    round(coalesce(b.buyers, 0)::numeric / c.customers, 4) AS buying_share,
    coalesce(b.orders, 0) AS orders, CASE WHEN b.orders IS NULL THEN 0 ELSE b.net END AS net,
    each.month >= date_trunc('month', c.today::timestamp)::date AS is_provisional
FROM cohorts c
CROSS JOIN LATERAL (
    SELECT generate_series(
        c.cohort_month::timestamp, greatest(c.today, c.cohort_month)::timestamp, '1 month'
    )::date AS month
) each
LEFT JOIN bought b ON (b.source, b.shop, b.currency, b.cohort_month, b.month)
    = (c.source, c.shop, c.currency, c.cohort_month, each.month);
COMMENT ON VIEW monthly_cohorts IS 'What customers of each month of first order bought in that month and in each one since; only customers whose whole history is known (history_complete). A month without an order has a row of zeros.';
COMMENT ON COLUMN monthly_cohorts.source IS 'Platform.';
COMMENT ON COLUMN monthly_cohorts.shop IS 'The shop''s id.';
COMMENT ON COLUMN monthly_cohorts.currency IS 'ISO 4217; currencies are never added up.';
COMMENT ON COLUMN monthly_cohorts.cohort_month IS 'Month of the first counted order in the shop''s zone, its first day.';
COMMENT ON COLUMN monthly_cohorts.months_since IS 'Months since the cohort''s: 0 is the month of the first order.';
COMMENT ON COLUMN monthly_cohorts.customers IS 'Customers of the cohort.';
COMMENT ON COLUMN monthly_cohorts.buyers IS 'Those with a counted order in that month, renewals included.';
COMMENT ON COLUMN monthly_cohorts.buying_share IS 'buyers / customers.';
COMMENT ON COLUMN monthly_cohorts.orders IS 'Their counted orders of that month.';
COMMENT ON COLUMN monthly_cohorts.net IS 'Net of these orders; null where that of one cannot be known.';
COMMENT ON COLUMN monthly_cohorts.is_provisional IS 'True while the month goes on.';

CREATE VIEW rfm_segments AS
WITH scored AS (
    SELECT customer_key, currency, source, shop, person_key, as_of, history_complete,
        t - recency AS days_since_last_order, frequency + 1 AS order_days, net,
        least(5, 1 + floor(5 * percent_rank() OVER (
            PARTITION BY source, shop, currency ORDER BY t - recency DESC)))::integer
            AS recency_score,
        least(5, 1 + floor(5 * percent_rank() OVER (
            PARTITION BY source, shop, currency ORDER BY frequency)))::integer
            AS frequency_score,
        least(5, 1 + floor(5 * percent_rank() OVER (
            PARTITION BY source, shop, currency ORDER BY net)))::integer
            AS monetary_score
    FROM customer_lifetime_value
    WHERE frequency IS NOT NULL AND net IS NOT NULL AND t IS NOT NULL
)
SELECT customer_key, currency, source, shop, person_key, as_of, history_complete,
    days_since_last_order, order_days, net, recency_score, frequency_score, monetary_score,
    CASE
        WHEN order_days = 1 THEN CASE WHEN recency_score >= 4 THEN 'new' ELSE 'one-time' END
        WHEN recency_score >= 4 AND frequency_score >= 4 THEN 'champion'
        WHEN recency_score >= 3 THEN 'loyal'
        WHEN frequency_score >= 4 THEN 'at-risk'
        ELSE 'lapsed'
    END AS segment
FROM scored;
COMMENT ON VIEW rfm_segments IS 'Customers scored by recency, frequency and value among those of their shop and currency. A score is 1 + the share of others that stand strictly below, in fifths (5 at most): equals score equally.';
COMMENT ON COLUMN rfm_segments.customer_key IS 'The customer.';
COMMENT ON COLUMN rfm_segments.currency IS 'ISO 4217; currencies are never added up.';
COMMENT ON COLUMN rfm_segments.source IS 'Platform.';
COMMENT ON COLUMN rfm_segments.shop IS 'The shop''s id.';
COMMENT ON COLUMN rfm_segments.person_key IS 'Links a person''s customers across shops; merges none of them.';
COMMENT ON COLUMN rfm_segments.as_of IS 'Instant that the days speak of.';
COMMENT ON COLUMN rfm_segments.history_complete IS 'As in customer_lifetime_value: where not true, there may be earlier orders that nobody told.';
COMMENT ON COLUMN rfm_segments.days_since_last_order IS 'Days from the last order day to as_of, renewals left out.';
COMMENT ON COLUMN rfm_segments.order_days IS 'Distinct days with an order, renewals left out.';
COMMENT ON COLUMN rfm_segments.net IS 'As in customer_lifetime_value.';
COMMENT ON COLUMN rfm_segments.recency_score IS '5 = among those who ordered last.';
COMMENT ON COLUMN rfm_segments.frequency_score IS '5 = among those with most order days.';
COMMENT ON COLUMN rfm_segments.monetary_score IS '5 = among those with the highest net.';
COMMENT ON COLUMN rfm_segments.segment IS 'new, one-time (one order day, recency score 4 or above, or below); champion (recency and frequency 4 or above), loyal (recency 3 or above), at-risk (recency below 3, frequency 4 or above), lapsed (both lower).';

CREATE VIEW reported_against_computed AS
SELECT customer_key, currency, source, shop, history_complete, orders_count, reported_orders,
    reported_orders - orders_count AS orders_delta,
    reported_revenue - reported_delta AS computed_revenue, reported_revenue,
    reported_delta AS revenue_delta, refunded, reported_refunded, refunds_observable,
    history_complete IS TRUE AS is_comparable
FROM customer_lifetime_value
WHERE reported_revenue IS NOT NULL OR reported_orders IS NOT NULL
    OR reported_refunded IS NOT NULL;
COMMENT ON VIEW reported_against_computed IS 'What a platform itself says of a customer beside what the orders come to.';
COMMENT ON COLUMN reported_against_computed.customer_key IS 'The customer.';
COMMENT ON COLUMN reported_against_computed.currency IS 'ISO 4217; currencies are never added up.';
COMMENT ON COLUMN reported_against_computed.source IS 'Platform.';
COMMENT ON COLUMN reported_against_computed.shop IS 'The shop''s id.';
COMMENT ON COLUMN reported_against_computed.history_complete IS 'As in customer_lifetime_value.';
COMMENT ON COLUMN reported_against_computed.orders_count IS 'Counted orders that we saw.';
COMMENT ON COLUMN reported_against_computed.reported_orders IS 'Orders that the platform counts.';
COMMENT ON COLUMN reported_against_computed.orders_delta IS 'reported_orders - orders_count.';
COMMENT ON COLUMN reported_against_computed.computed_revenue IS 'Totals of the counted orders, tax and shipping in; null where one is not told.';
COMMENT ON COLUMN reported_against_computed.reported_revenue IS 'Revenue that the platform counts.';
COMMENT ON COLUMN reported_against_computed.revenue_delta IS 'reported_revenue - computed_revenue.';
COMMENT ON COLUMN reported_against_computed.refunded IS 'Goods part of the refunds that orders told.';
COMMENT ON COLUMN reported_against_computed.reported_refunded IS 'Refunds that the platform counts.';
COMMENT ON COLUMN reported_against_computed.refunds_observable IS 'True where the platform''s order events tell refunds.';
COMMENT ON COLUMN reported_against_computed.is_comparable IS 'True where the whole history is known: only there does a delta mean something.';

CREATE TABLE prediction_runs (
    source text NOT NULL,
    shop text NOT NULL,
    currency text NOT NULL,
    as_of timestamptz,
    predicted_at timestamptz NOT NULL DEFAULT now(),
    customers bigint NOT NULL,
    repeat_customers bigint NOT NULL,
    predicted bigint NOT NULL,
    reason text,
    value_reason text,
    r double precision,
    alpha double precision,
    a double precision,
    b double precision,
    p double precision,
    q double precision,
    gamma double precision,
    correlation double precision,
    discount_rate double precision NOT NULL,
    PRIMARY KEY (source, shop, currency)
);
COMMENT ON TABLE prediction_runs IS 'The newest prediction of each shop and currency: what the predicted columns of customer_lifetime_value rest on, and why there are none.';
COMMENT ON COLUMN prediction_runs.source IS 'Platform.';
COMMENT ON COLUMN prediction_runs.shop IS 'The shop''s id.';
COMMENT ON COLUMN prediction_runs.currency IS 'ISO 4217: each has a model of its own.';
COMMENT ON COLUMN prediction_runs.as_of IS 'Instant that the customers'' days spoke of. Customers and orders since then are in no prediction yet. Null where nobody suited.';
COMMENT ON COLUMN prediction_runs.predicted_at IS 'When it ran (this server''s clock).';
COMMENT ON COLUMN prediction_runs.customers IS 'Customers whom a model suits: whole history known, net known.';
COMMENT ON COLUMN prediction_runs.repeat_customers IS 'Those who ordered on more than one day.';
COMMENT ON COLUMN prediction_runs.predicted IS 'Rows of customer_lifetime_value that were filled.';
COMMENT ON COLUMN prediction_runs.reason IS 'Why nothing was predicted: too-few-customers, too-few-repeat-customers, no-fit; null where it was.';
COMMENT ON COLUMN prediction_runs.value_reason IS 'Why purchases were predicted but no value: too-few-values, no-fit, no-mean-value (the fitted model has no finite mean); null where it was.';
COMMENT ON COLUMN prediction_runs.r IS 'BG/NBD: shape of the purchase rates.';
COMMENT ON COLUMN prediction_runs.alpha IS 'BG/NBD: scale of the purchase rates, in weeks.';
COMMENT ON COLUMN prediction_runs.a IS 'BG/NBD: first shape of the chance to leave after a purchase.';
COMMENT ON COLUMN prediction_runs.b IS 'BG/NBD: second shape of it.';
COMMENT ON COLUMN prediction_runs.p IS 'Gamma-Gamma: shape of a customer''s order values.';
COMMENT ON COLUMN prediction_runs.q IS 'Gamma-Gamma: shape of their spread over customers.';
COMMENT ON COLUMN prediction_runs.gamma IS 'Gamma-Gamma: scale of it, in the currency.';
COMMENT ON COLUMN prediction_runs.correlation IS 'Of frequency and value over repeat customers: the value model takes it for none; beyond 0.3 either way trust its values less.';
COMMENT ON COLUMN prediction_runs.discount_rate IS 'Rate a year of discounted_clv.';

COMMENT ON COLUMN customer_lifetime_value.probability_alive IS 'Predicted (`hookline predict`): that the customer still buys at all. Null until predicted, where ineligible_reason stands, or where prediction_runs says why.';
COMMENT ON COLUMN customer_lifetime_value.expected_purchases_30d IS 'Predicted order days in the 30 days from prediction_runs.as_of on.';
COMMENT ON COLUMN customer_lifetime_value.expected_purchases_90d IS 'Predicted order days in the 90 days from prediction_runs.as_of on.';
COMMENT ON COLUMN customer_lifetime_value.expected_purchases_365d IS 'Predicted order days in the 365 days from prediction_runs.as_of on.';
COMMENT ON COLUMN customer_lifetime_value.expected_value_30d IS 'Predicted net in these 30 days.';
COMMENT ON COLUMN customer_lifetime_value.expected_value_90d IS 'Predicted net in these 90 days.';
COMMENT ON COLUMN customer_lifetime_value.expected_value_365d IS 'Predicted net in these 365 days.';
COMMENT ON COLUMN customer_lifetime_value.discounted_clv IS 'Predicted net in 365 days, discounted to today at prediction_runs.discount_rate.';

-- Who reads what: hookline_reader (as `hookline migrate` grants) no contact data;
-- hookline_contacts_reader the same and the contact data.
DO $roles$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('hookline/roles', 0));
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hookline_reader') THEN
        CREATE ROLE hookline_reader LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hookline_contacts_reader') THEN
        CREATE ROLE hookline_contacts_reader LOGIN;
    END IF;
    IF NOT pg_has_role('hookline_contacts_reader', 'hookline_reader', 'MEMBER') THEN
        GRANT hookline_reader TO hookline_contacts_reader;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'this user may not create roles: docs/tables.md says what to grant by hand';
END
$roles$;
DO $grants$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'hookline_contacts_reader') THEN
        GRANT SELECT ON customer_contacts TO hookline_contacts_reader;
    END IF;
END
$grants$;
