"""Raw topic in, canonical topics out (Faust)."""
