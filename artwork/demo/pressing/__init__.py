"""Buttons of the control room: what is pressed, what it breaks or brings back, and the words for it."""
