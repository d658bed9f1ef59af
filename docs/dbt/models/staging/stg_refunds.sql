select
    order_key, position, refund_id, customer_key, source, shop, currency, refunded_at, timezone,
    (refunded_at at time zone timezone)::date as refunded_on,
    goods, shipping, tax, goodwill, net_effect, basis, is_counted
from {{ source('hookline', 'refunds') }}
