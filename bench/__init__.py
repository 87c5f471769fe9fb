"""Figures, each by one command, beside a peer or a stock path where there is one."""
