"""History: exports of platforms brought in as raw deliveries, and compared with the tables."""
