"""Pages of the admin that put versions side by side: two of them compared, and all on one dataset ranked."""
