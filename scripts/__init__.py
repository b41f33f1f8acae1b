"""Programs that make the documents; no part of the package."""
