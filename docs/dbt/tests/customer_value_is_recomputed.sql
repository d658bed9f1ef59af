-- customer_lifetime_value, added up from the orders.
with ours as (
    select customer_key, currency, count(*) as orders_count, sum(gross) as gross,
        sum(net) as net, min(placed_at) as first_order_at, max(placed_at) as last_order_at
    from {{ ref('stg_orders') }}
    where standing = 'COUNTED' and customer_key is not null and currency is not null
    group by 1, 2
), theirs as (
    select customer_key, currency, orders_count, gross, net, first_order_at, last_order_at
    from {{ source('hookline', 'customer_lifetime_value') }} where orders_count > 0
)
{{ apart('ours', 'theirs') }}
