"""The ASGI application, for hosts that offer nothing else: every view is sync, so WSGI is the faster way in."""

import os

from todoproj.web import asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "todoproj.settings")

application = asgi_application()
