"""Speaking to origins: connections, deadlines, redirects, retries."""
