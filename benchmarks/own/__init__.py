"""Cells of one's own, written as a user would: for us, as a loop in torch, as JAX's scan."""
