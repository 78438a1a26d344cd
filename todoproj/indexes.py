"""Indexes with names that say what they are for."""

from django.db import models


class Index(models.Index):
    """An index whose name may be as long as PostgreSQL's and SQLite's; Django's own limit of 30 is Oracle's."""

    max_name_length = 63
