"""What is wrong, and since when: with the pipeline, with a shop, with its payloads."""
