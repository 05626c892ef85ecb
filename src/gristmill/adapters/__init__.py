"""The outside tools, one module each, whose errors become ours."""
