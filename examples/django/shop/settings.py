"""The settings of the shop. What makes it use Larder is CACHES, and SESSION_ENGINE for the sessions."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
LARDER_SOCKET = os.environ.get("LARDER_SOCKET", "/run/larder/larder.sock")

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": f"unix://{LARDER_SOCKET}?db=1",
        "KEY_PREFIX": "shop",
        "TIMEOUT": 300,
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "an example, not a secret")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
INSTALLED_APPS = ["django.contrib.sessions", "shop"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
ROOT_URLCONF = "shop.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE", BASE_DIR / "db.sqlite3"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
