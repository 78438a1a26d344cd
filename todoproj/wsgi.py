"""The WSGI application: what the production server serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "todoproj.settings")

application = get_wsgi_application()
