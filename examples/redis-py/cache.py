"""Cache-aside with redis-py over Larder's Unix socket, sync and asyncio.

pip install redis
"""

import json
import os

import redis
import redis.asyncio

SOCKET = os.environ.get("LARDER_SOCKET", "/run/larder/larder.sock")


def connect(db=0, **options):
    return redis.Redis.from_url(f"unix://{SOCKET}?db={db}", **options)


def connect_async(db=0, **options):
    return redis.asyncio.Redis.from_url(f"unix://{SOCKET}?db={db}", **options)


def cached(client, key, ttl_s, load):
    """The value kept under `key`, else what `load()` gives, kept for `ttl_s` seconds."""
    kept = client.get(key)
    if kept is not None:
        return json.loads(kept)
    value = load()
    client.set(key, json.dumps(value), ex=ttl_s)
    return value


async def cached_async(client, key, ttl_s, load):
    """The same for a coroutine function `load`."""
    kept = await client.get(key)
    if kept is not None:
        return json.loads(kept)
    value = await load()
    await client.set(key, json.dumps(value), ex=ttl_s)
    return value
