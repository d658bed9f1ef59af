{{ config(post_hook="{{ comments_of(['product_sales']) }}") }}

select * from {{ source('hookline', 'product_sales') }}
