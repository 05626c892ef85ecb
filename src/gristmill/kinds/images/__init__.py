"""The kind `images`: grey pictures of one size, each with one label."""
