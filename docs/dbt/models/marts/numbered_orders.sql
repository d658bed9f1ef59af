{{ config(post_hook="{{ comments_of(['orders', 'order_sequence']) }}") }}

select
    sequence.*,
    orders.order_id, orders.subscription_key, orders.status,
    orders.gross, orders.discounts, orders.refunded, orders.taxes, orders.shipping,
    orders.counted_total as total, orders.reason
from {{ source('hookline', 'order_sequence') }} as sequence
join {{ ref('stg_orders') }} as orders using (order_key)
