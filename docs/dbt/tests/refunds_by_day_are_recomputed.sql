-- Σ refunds over all days = Σ refunded over all orders.
with ours as (
    select source, shop, currency, sum(refunded) as refunded
    from {{ ref('stg_orders') }} where standing = 'COUNTED' and net is not null
    group by 1, 2, 3 having sum(refunded) <> 0
), theirs as (
    select source, shop, currency, sum(net_effect) as refunded
    from {{ source('hookline', 'refunds_by_day') }} group by 1, 2, 3 having sum(net_effect) <> 0
)
{{ apart('ours', 'theirs') }}
