"""HTTP by the book, in conversations over real sockets."""
