"""What every API of this service needs; it knows no record."""
