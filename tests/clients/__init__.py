"""Real clients through a real proxycache: each must get what the origin has, byte for byte."""
