"""How the admin writes days and times: short, with the time zone, and so that everybody reads them alike.

Django finds this by FORMAT_MODULE_PATH.
"""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i e"
