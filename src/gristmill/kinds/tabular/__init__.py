"""The kind `tabular`: rows of numbers and categories, with one column to be predicted."""
