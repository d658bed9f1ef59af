{{ config(post_hook="{{ comments_of(['people']) }}") }}

select * from {{ source('hookline', 'people') }}
