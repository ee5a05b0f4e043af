"""Date and time formats of the admin: as in the API, in UTC, to the minute."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i"
