"""Django's MySQL, with a password that may change while the process runs."""
