"""Other ways to serve the same model, each written as its own documentation would have it: what ours is measured beside."""
