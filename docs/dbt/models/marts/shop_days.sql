{{ config(post_hook="{{ comments_of(['shop_days']) }}") }}

select * from {{ source('hookline', 'shop_days') }}
