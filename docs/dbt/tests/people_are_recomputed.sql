-- The view people, added up from the orders of all customers with one e-mail hash.
with ours as (
    select coalesce(customers.person_key, orders.customer_key) as person_key, orders.currency,
        count(distinct orders.customer_key) as customers,
        count(*) as orders_count, sum(orders.gross) as gross, sum(orders.net) as net
    from {{ ref('stg_orders') }} as orders
    left join {{ ref('stg_customers') }} as customers using (customer_key)
    where orders.standing = 'COUNTED' and orders.customer_key is not null
        and orders.currency is not null
    group by 1, 2
), theirs as (
    select person_key, currency, (
            select count(*) from {{ source('hookline', 'customer_lifetime_value') }} as value
            where value.customer_key = any(people.customer_keys)
                and value.currency = people.currency and value.orders_count > 0
        ) as customers,
        orders_count, gross, net
    from {{ source('hookline', 'people') }} as people where orders_count > 0
)
{{ apart('ours', 'theirs') }}
