"""Model cards: what a version is and how well it does, as one page to take away."""
