"""What each page shows, as plain values for the templates: one module a kind of page."""
