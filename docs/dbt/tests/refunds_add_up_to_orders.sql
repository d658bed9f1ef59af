-- Σ refunds of an order = what the order says is refunded.
select orders.order_key, orders.refunded, refunds.refunded as sum_of_refunds
from {{ ref('stg_orders') }} as orders
full join (
    select order_key, sum(net_effect) as refunded
    from {{ ref('stg_refunds') }} where is_counted group by order_key
) as refunds using (order_key)
where orders.order_key is null
    or (refunds.order_key is not null and orders.refunded is distinct from refunds.refunded)
    or (orders.standing = 'COUNTED' and orders.refunded > 0 and refunds.order_key is null)
