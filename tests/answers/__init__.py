"""``make truth``: five pipelines answer the same deliveries, and a truth that is none of theirs.

The question, put to all: what did each customer buy, net, and which carts were left?
"""
