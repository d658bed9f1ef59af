-- Recovered carts, counted from the carts; of the others there are at most as many as carts, since
-- carts that were merged at login count once.
with ours as (
    select source, shop, first_seen_on as day, count(*) as carts,
        count(*) filter (where abandon_count >= 1) as abandoned,
        count(*) filter (
            where abandon_count >= 1 and status = 'RECOVERED'
                and order_standing in ('COUNTED', 'PENDING')
        ) as recovered
    from {{ ref('stg_carts') }}
    where detection = 'TIMER' and not is_test and item_count >= 1
    group by 1, 2, 3
)
select *
from {{ source('hookline', 'daily_cart_rates') }} as rates
full join ours using (source, shop, day)
where ours.source is null
    or (rates.source is null and ours.recovered > 0)
    or rates.carts > ours.carts or rates.abandoned > ours.abandoned
    or rates.recovered <> ours.recovered
