"""What the views for analysts must show."""
