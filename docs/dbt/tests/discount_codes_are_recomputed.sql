-- The orders, discounts and net of each code, an order in the row of each of its codes.
with coded as (
    select distinct orders.order_key, orders.source, orders.shop, orders.currency,
        orders.discounts, orders.net, upper(trim(code)) as code
    from {{ ref('stg_orders') }} as orders
    cross join lateral regexp_split_to_table(orders.discount_codes, ',') as code
    where orders.standing = 'COUNTED' and code ~ '\S'
), ours as (
    select source, shop, currency, code, count(*) as orders, sum(discounts) as discounts,
        sum(net) as net
    from coded group by 1, 2, 3, 4
), theirs as (
    select source, shop, currency, code, orders, discounts, net
    from {{ source('hookline', 'discount_codes') }}
)
{{ apart('ours', 'theirs') }}
