"""The product as a black box: what it asks of an origin, what it makes of the answers, what it gives to clients."""
