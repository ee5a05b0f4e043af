"""What every API of this service needs; it knows no record."""

API_PREFIX = "/api/v1/"  # of the paths of all routes
