"""The WSGI application with a worker in the same process, so that the demo is one command."""

from threading import Event, Thread

from config.wsgi import application as application
from performance.management.worker import run_worker

Thread(target=run_worker, args=[Event()], name="worker", daemon=True).start()
