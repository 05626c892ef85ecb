"""The kind `images`: pictures of one size, each with one label; colours are taken as grey."""
