"""The admin's start page and the page of a model: how well models do, and what needs attention."""
