{{ config(post_hook="{{ comments_of(['refunds_by_day']) }}") }}

select * from {{ source('hookline', 'refunds_by_day') }}
