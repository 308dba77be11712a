"""Applies plans: the only place where the pure core, the clients and the stores meet."""
