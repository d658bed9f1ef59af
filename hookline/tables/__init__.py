"""Reading the tables: queries, histories and exports through read-only roles."""
