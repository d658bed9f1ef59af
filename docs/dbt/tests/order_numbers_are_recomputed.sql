-- An order's number is how many orders of the customer are not later.
with orders as (
    select order_key, customer_key, placed_at, placed_on
    from {{ ref('stg_orders') }}
    where standing = 'COUNTED' and not is_renewal and customer_key is not null
), ours as (
    select late.order_key, count(*) as number,
        late.placed_on - max(early.placed_on) filter (where early.order_key <> late.order_key)
            as days_since_previous
    from orders as late
    join orders as early on early.customer_key = late.customer_key
        and (early.placed_at, early.order_key) <= (late.placed_at, late.order_key)
    group by late.order_key, late.placed_on
), theirs as (
    select order_key, number, days_since_previous
    from {{ source('hookline', 'order_sequence') }} where number is not null
)
{{ apart('ours', 'theirs') }}
