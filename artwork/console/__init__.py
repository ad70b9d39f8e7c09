"""How commands speak and what options they share."""
