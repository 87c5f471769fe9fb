"""How a peer gets in, and the control words after."""
