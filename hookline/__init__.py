"""The front desk: the command line, the local stack, the only place that sees all stages."""
