"""COGS: sentences of a fragment of English and their logical forms."""
