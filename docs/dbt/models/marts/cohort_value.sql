{{ config(post_hook="{{ comments_of(['cohort_value']) }}") }}

select * from {{ source('hookline', 'cohort_value') }}
