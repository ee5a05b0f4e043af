"""How the admin writes dates and times: as the API does, in UTC, to the minute."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i"
