"""The dashboard: pages over the tables, for people who look before they query."""
