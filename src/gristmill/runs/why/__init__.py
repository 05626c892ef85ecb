"""Why a stage would run, or would not: what the last recorded turn ran with, held against what would run now."""
