"""What runs the SQL of the metrics."""
