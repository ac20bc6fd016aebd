"""Moments as the log and the API write them; ``FORMAT_MODULE_PATH`` leads here."""

DATETIME_FORMAT = "Y-m-d H:i"
