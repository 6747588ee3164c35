"""HTTP towards clients: targets, heads, errors, and the admin listener."""
