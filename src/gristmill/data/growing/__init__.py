"""Sources that grow: what is new in a folder, an S3 prefix or a SQL query, and what has been taken from it before."""
