"""What the data must satisfy, and what becomes of rows that do not."""
