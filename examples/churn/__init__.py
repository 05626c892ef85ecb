"""Made customers of a made company, for those who have no CSV of their own at hand."""
