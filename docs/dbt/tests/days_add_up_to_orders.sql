-- Σ days of a shop = Σ of its orders and refunds.
with days as (
    select source, shop, currency, sum(orders) as orders, coalesce(sum(gross), 0) as gross,
        coalesce(sum(net_of_orders), 0) as net_of_orders, coalesce(sum(net), 0) as net
    from {{ source('hookline', 'shop_days') }} group by 1, 2, 3 having sum(orders) > 0
), orders as (
    select source, shop, currency, count(*) as orders, coalesce(sum(gross), 0) as gross,
        coalesce(sum(net), 0) as net_of_orders, coalesce(sum(net), 0) as net
    from {{ ref('stg_orders') }} where standing = 'COUNTED' group by 1, 2, 3
)
{{ apart('days', 'orders') }}
