"""What senders may try, and what becomes of it: each test is a row of docs/security.md."""
