"""What each page shows, as plain data: the same for HTML and for JSON."""
