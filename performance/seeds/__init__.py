"""Seed documents: what they may hold, and how they are loaded, all or nothing."""
