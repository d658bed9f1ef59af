select
    customer_key, source, shop, customer_id, person_key, is_contactable, created_at, is_deleted,
    is_test, timezone
from {{ source('hookline', 'customers') }}
