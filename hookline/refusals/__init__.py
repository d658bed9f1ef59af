"""One refused delivery: its reason in words, its body with the field, what a replay would give."""
