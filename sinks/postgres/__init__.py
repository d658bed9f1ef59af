"""PostgreSQL sessions, migrations, COPY and advisory locks."""
