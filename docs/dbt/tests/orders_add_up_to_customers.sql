-- Σ customers + orders without a customer or currency = Σ orders.
with orders as (
    select count(*) as orders, coalesce(sum(gross), 0) as gross, coalesce(sum(net), 0) as net
    from {{ ref('stg_orders') }} where standing = 'COUNTED'
), customers as (
    select
        sum(orders) as orders, sum(gross) as gross, sum(net) as net
    from (
        select sum(orders_count) as orders, sum(gross) as gross, sum(net) as net
        from {{ source('hookline', 'customer_lifetime_value') }}
        union all
        select count(*), sum(gross), sum(net)
        from {{ source('hookline', 'unattributed_orders') }} where standing = 'COUNTED'
    ) both_parts
)
select * from orders, customers
where (orders.orders, orders.gross, orders.net)
    is distinct from (customers.orders, coalesce(customers.gross, 0), coalesce(customers.net, 0))
