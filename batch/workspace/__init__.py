"""What lies in a workspace: its tables, impressions and generations, each read and written at one place."""
