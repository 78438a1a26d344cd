"""The WSGI application: what the production server serves."""

import os

from todoproj.web import web_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "todoproj.settings")

application = web_application()
