{{ config(post_hook="{{ comments_of(['customers', 'rfm_segments', 'customer_lifetime_value']) }}") }}

select
    value.customer_key, value.currency, value.source, value.shop, value.person_key,
    customers.customer_id, customers.is_contactable, customers.is_deleted,
    value.first_order_at, value.last_order_at, value.orders_count,
    value.gross, value.discounts, value.refunded, value.net, value.avg_order_value,
    value.taxes, value.shipping, value.gift_cards_sold, value.pending_revenue,
    value.cancelled_count, value.subscription_revenue, value.renewal_revenue,
    value.active_subscriptions, value.abandoned_carts_count,
    value.refunds_observable, value.history_complete, value.cohort_month,
    value.frequency, value.recency, value.t, value.monetary, segments.segment,
    intervals.median_days as days_between_orders, intervals.expected_on as next_order_expected_on,
    intervals.days_overdue,
    value.probability_alive, value.expected_purchases_90d, value.expected_value_365d,
    value.discounted_clv, value.ineligible_reason, value.as_of
from {{ source('hookline', 'customer_lifetime_value') }} as value
left join {{ ref('stg_customers') }} as customers using (customer_key)
left join {{ source('hookline', 'rfm_segments') }} as segments using (customer_key, currency)
left join {{ source('hookline', 'order_intervals') }} as intervals using (customer_key)
