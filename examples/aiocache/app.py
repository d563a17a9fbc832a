"""Coroutines whose results aiocache keeps in Larder.

pip install aiocache redis
"""

import os

from aiocache import Cache, cached, multi_cached
from aiocache.serializers import PickleSerializer
from redis.asyncio import ConnectionPool, UnixDomainSocketConnection

SOCKET = os.environ.get("LARDER_SOCKET", "/run/larder/larder.sock")


def unix_pool(host, port, **options):
    """aiocache hands a host and a port to its pool; a Unix socket has neither."""
    return ConnectionPool(connection_class=UnixDomainSocketConnection, path=SOCKET, **options)


LARDER = {"cache": Cache.REDIS, "connection_pool_class": unix_pool, "db": 5, "namespace": "shop"}
asked = []  # what the slow source was asked for


@cached(ttl=60, key_builder=lambda function, user_id: f"user:{user_id}", serializer=PickleSerializer(), **LARDER)
async def user(user_id):
    asked.append(user_id)
    return {"id": user_id, "name": f"user {user_id}"}


@multi_cached("names", ttl=60, **LARDER)
async def prices(names):
    asked.extend(names)
    return {name: 100 * len(name) for name in names}
