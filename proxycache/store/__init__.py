"""Keeping bytes (cache files) and facts (the database), within the space allowed."""
