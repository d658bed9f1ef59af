-- Generations that only an import shows count back from a cart's first live one.
COMMENT ON COLUMN abandoned_carts.generation IS 'Which life of the cart, from 1; lives before the first live one, which only an import shows, count back: 0, -1.';
COMMENT ON COLUMN cart_generations.generation IS 'Which life of the cart, from 1; lives before the first live one, which only an import shows, count back: 0, -1.';
COMMENT ON COLUMN merged_carts.generation IS 'Which life of the cart, as in cart_generations.';
