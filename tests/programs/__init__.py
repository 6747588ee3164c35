"""Real clients behind a real proxycache, before real servers: `tox -e programs`."""
