"""The dead letters of the dashboard: their pages, their jobs, what a login may do with them."""
