"""Figures of the control room: of the service, the store, the log, and the workspace's health."""
