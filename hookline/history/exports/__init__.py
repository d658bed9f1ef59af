"""What an export holds: the objects of its files, in JSON or CSV, and the numbers of its cells."""
