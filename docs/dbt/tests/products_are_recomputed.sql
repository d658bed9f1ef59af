-- Σ products of a shop = Σ lines of its orders; their gross is that of the orders, but for the
-- rounding of each product to four decimals.
with lines as (
    select order_key, sum(quantity) as units, bool_and(quantity is not null) as units_known
    from {{ ref('stg_order_items') }} where is_gift_card is not true group by order_key
), ours as (
    select orders.source, orders.shop, orders.currency, sum(lines.units) as units,
        bool_and(lines.units_known) as units_known, sum(orders.gross) as gross
    from {{ ref('stg_orders') }} as orders join lines using (order_key)
    where orders.standing = 'COUNTED' group by 1, 2, 3
), theirs as (
    select source, shop, currency, sum(units) as units, sum(gross) as gross,
        sum(orders_without_gross) as orders_without_gross, count(*) as products
    from {{ source('hookline', 'product_sales') }} group by 1, 2, 3
)
select *
from ours full join theirs on (ours.source, ours.shop) = (theirs.source, theirs.shop)
    and ours.currency is not distinct from theirs.currency
where ours.source is null or theirs.source is null
    or (ours.units_known and ours.units is distinct from theirs.units)
    or (theirs.orders_without_gross = 0
        and abs(coalesce(ours.gross, 0) - coalesce(theirs.gross, 0)) > 0.0001 * theirs.products)
