"""Messages about events to URLs of an organization's choice."""
