"""What every stage and every room stands on: errors, settings, names and paths, safe files, a safe process."""
