"""The batch consumer: fetches, delivers and commits whole batches."""
