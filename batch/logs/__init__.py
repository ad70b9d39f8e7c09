"""Logs of impressions, ours and others', as the one record that policies are compared by."""
