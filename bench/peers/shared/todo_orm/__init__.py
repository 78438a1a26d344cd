"""The tasks as a Django app, for the peers that use Django's ORM."""
