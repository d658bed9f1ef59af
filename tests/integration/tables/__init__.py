"""What the tables and views say, and who may read them."""
