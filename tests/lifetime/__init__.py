"""The rules of ``customer_lifetime_value`` in Python: the reference for the SQL of the sinks."""
