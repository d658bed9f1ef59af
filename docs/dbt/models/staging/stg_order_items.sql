select
    order_key, position, product_id, variant_id, sku, name, quantity, unit_price, line_total,
    discount, tax, is_gift_card
from {{ source('hookline', 'order_items') }}
