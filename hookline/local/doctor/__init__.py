"""``hookline doctor``: checks of this machine and the stack, with advice."""
