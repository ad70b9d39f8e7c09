"""The look-up service: reads picks from the store and answers over HTTP."""
