"""From files of predictions to rows that can be scored."""
