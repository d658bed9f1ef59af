"""Who may write from the dashboard: passwords, sessions, forms, and the audit log."""
