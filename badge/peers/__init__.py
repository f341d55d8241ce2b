"""Who else is here."""
