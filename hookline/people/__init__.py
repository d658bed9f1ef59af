"""People: found, given what is held of them, erased, allowed again; and another contact key."""
