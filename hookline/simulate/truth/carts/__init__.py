"""What carts become: active, abandoned, recovered, converted, emptied, expired."""
