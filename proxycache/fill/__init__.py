"""When can these bytes be read, or why not? Single flight for every byte, pushed to whoever waits for it."""
