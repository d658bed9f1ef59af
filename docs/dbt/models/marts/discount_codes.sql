{{ config(post_hook="{{ comments_of(['discount_codes']) }}") }}

select * from {{ source('hookline', 'discount_codes') }}
