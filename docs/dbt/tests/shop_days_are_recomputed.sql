-- The view shop_days, day by day: orders by placed_on, refunds by refunded_on. Days without money,
-- on which only carts were left, are not compared.
with orders as (
    select source, shop, placed_on as day, currency, count(*) as orders, sum(gross) as gross,
        sum(net) as net_of_orders, sum(net + coalesce(refunded, 0)) as before_refunds,
        count(net) as known
    from {{ ref('stg_orders') }} where standing = 'COUNTED' group by 1, 2, 3, 4
), refunds as (
    select source, shop, refunded_on as day, currency, sum(net_effect) as refunded,
        count(*) as refunds
    from {{ ref('stg_refunds') }} where is_counted group by 1, 2, 3, 4
), keys as (
    select source, shop, day, currency from orders
    union select source, shop, day, currency from refunds
), ours as (
    select keys.source, keys.shop, keys.day, keys.currency, coalesce(orders.orders, 0) as orders,
        case when orders.known is distinct from 0 then coalesce(orders.gross, 0) end as gross,
        case when orders.known is distinct from 0 then coalesce(orders.net_of_orders, 0) end
            as net_of_orders,
        case when orders.known is distinct from 0 or refunds.refunds > 0
            then coalesce(orders.before_refunds, 0) - coalesce(refunds.refunded, 0) end as net
    from keys
    left join orders on (orders.source, orders.shop, orders.day) = (keys.source, keys.shop, keys.day)
        and orders.currency is not distinct from keys.currency
    left join refunds
        on (refunds.source, refunds.shop, refunds.day) = (keys.source, keys.shop, keys.day)
        and refunds.currency is not distinct from keys.currency
), ours_with_money as (
    select * from ours where orders > 0 or net <> 0
), theirs as (
    select source, shop, day, currency, orders, gross, net_of_orders, net
    from {{ source('hookline', 'shop_days') }} where orders > 0 or net <> 0
)
{{ apart('ours_with_money', 'theirs') }}
