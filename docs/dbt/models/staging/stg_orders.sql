select
    order_key, source, shop, order_id, order_number, customer_key, subscription_key,
    status, standing, is_renewal, placed_at, timezone,
    (placed_at at time zone timezone)::date as placed_on,
    currency, gross, discounts, refunded, net, taxes, shipping, gift_cards_sold, pending,
    counted_total, refunds_observable, reason,
    concat_ws(',', attributes ->> 'discount_codes', attributes ->> 'coupon.uuid') as discount_codes
from {{ source('hookline', 'orders') }}
