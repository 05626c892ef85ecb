"""The page that a person reads before they trust a model, section by section."""
