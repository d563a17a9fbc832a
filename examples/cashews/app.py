"""Coroutines whose results cashews keeps in Larder.

pip install cashews redis
"""

import os

from cashews import cache, register_backend
from cashews.backends.redis import Redis
from cashews.picklers import PicklerType

SOCKET = os.environ.get("LARDER_SOCKET", "/run/larder/larder.sock")

# cashews knows redis:// and rediss://; its Redis backend takes a Unix socket's URL as well once it has a name.
register_backend("unix", Redis, pass_uri=True, pickler=PicklerType.DEFAULT)
cache.setup(f"unix://{SOCKET}", db=6, suppress=False)

asked = []  # what the slow source was asked for


class SourceDown(Exception):
    """The slow source does not answer."""


@cache(ttl="10m", key="user:{user_id}")
async def user(user_id):
    asked.append(user_id)
    return {"id": user_id, "name": f"user {user_id}"}


@cache.invalidate("user:{user_id}")
async def rename(user_id, name):
    """Writes the source, after which cashews drops what was kept of it."""


@cache.soft(ttl="1m", soft_ttl=0.4, key="rate:{currency}", exceptions=SourceDown)
async def rate(currency, down=False):
    """Made again after 400 ms; while the source is down the old one is good for a minute."""
    asked.append(currency)
    if down:
        raise SourceDown
    return 1.25


@cache.failover(ttl="1m", key="news", exceptions=SourceDown)
async def news(down=False):
    """Asked for every time; what it gave last stands in for a minute while the source is down."""
    if down:
        raise SourceDown
    return ["first", "second"]
