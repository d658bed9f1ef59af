{{ config(post_hook="{{ comments_of(['daily_cart_rates']) }}") }}

select
    source, shop, date_trunc('month', day)::date as month,
    sum(carts)::bigint as carts, sum(abandoned)::bigint as abandoned,
    sum(recovered)::bigint as recovered,
    round(sum(abandoned) / sum(carts), 4) as abandonment_rate,
    round(sum(recovered) / nullif(sum(abandoned), 0), 4) as recovery_rate,
    bool_or(is_provisional) as is_provisional
from {{ source('hookline', 'daily_cart_rates') }}
group by 1, 2, 3
