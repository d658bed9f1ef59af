-- One row for each life of a cart, abandoned or not.
select
    cart_key, generation, source, shop, customer_key, person_key, is_contactable, status, detection,
    first_seen_at, timezone, (first_seen_at at time zone timezone)::date as first_seen_on,
    last_activity_at, abandoned_at, closed_at, abandon_count, item_count, cart_value, currency,
    order_key, order_standing, time_to_recover, recovered_value, is_test,
    next_due is not null as is_provisional
from {{ source('hookline', 'cart_generations') }}
