-- What a cohort has brought after each month, added up from its customers' orders.
with cohorts as (
    select source, shop, currency, cohort_month, months_since, customers, cumulative_orders,
        cumulative_net,
        (cohort_month + (months_since + 1) * interval '1 month')::date as until
    from {{ source('hookline', 'cohort_value') }}
), members as (
    select customer_key, source, shop, currency, cohort_month
    from {{ source('hookline', 'customer_lifetime_value') }}
    where history_complete and cohort_month is not null
), ours as (
    select cohorts.source, cohorts.shop, cohorts.currency, cohorts.cohort_month,
        cohorts.months_since, count(distinct members.customer_key) as customers,
        count(orders.order_key) as cumulative_orders,
        case when count(orders.net) = count(orders.order_key) then sum(orders.net) end
            as cumulative_net
    from cohorts
    join members using (source, shop, currency, cohort_month)
    left join {{ ref('stg_orders') }} as orders
        on orders.customer_key = members.customer_key and orders.currency = members.currency
        and orders.standing = 'COUNTED' and orders.placed_on < cohorts.until
    group by 1, 2, 3, 4, 5
), theirs as (
    select source, shop, currency, cohort_month, months_since, customers, cumulative_orders,
        cumulative_net
    from cohorts
)
{{ apart('ours', 'theirs') }}
