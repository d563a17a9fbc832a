"""Checks dogpile.cache under SQLAlchemy: which calls reach the database, and which do not."""

import os
import tempfile
import threading
import time

from checks import Checks

scratch = tempfile.TemporaryDirectory()
os.environ["SHOP_DATABASE"] = f"sqlite:///{scratch.name}/shop.sqlite3"

from dogpile.cache.api import NO_VALUE  # noqa: E402
from shop import Base, Product, average_cents, engine, prices, product, region, reprice  # noqa: E402
from sqlalchemy import event  # noqa: E402
from sqlalchemy.orm import Session  # noqa: E402

checks = Checks("sqlalchemy")
queries = []
event.listen(engine, "before_cursor_execute", lambda *args: queries.append(args[2]))


def asked(call):
    """What `call()` gives, and how many queries it took."""
    before = len(queries)
    return call(), len(queries) - before


redis = region.actual_backend.writer_client
redis.flushdb()
Base.metadata.create_all(engine)
with Session(engine) as session, session.begin():
    session.add_all([Product(id=i, name=f"Product {i}", cents=100 * i) for i in range(1, 11)])

tea = {"id": 1, "name": "Product 1", "cents": 100}
checks.equal("a miss asks the database", asked(lambda: product(1)), (tea, 1))
checks.equal("a hit does not", asked(lambda: product(1)), (tea, 0))
checks.equal("None is kept, too", (asked(lambda: product(99)), asked(lambda: product(99))), ((None, 1), (None, 0)))
key = next(redis.scan_iter("*product|1"))
checks.true("the server has the TTL", 118 <= redis.ttl(key) <= 120)

checks.equal("many: the first time, one query", asked(lambda: prices(1, 2, 3)), ([100, 200, 300], 1))
checks.equal("many: then none", asked(lambda: prices(3, 2, 1)), ([300, 200, 100], 0))
checks.equal("many: one for what is missing", asked(lambda: prices(2, 5)), ([200, 500], 1))
checks.equal("many: the query names only that one", "(?)" in queries[-1], True)

reprice(1, 175)
checks.equal("invalidate: the new row", asked(lambda: product(1)["cents"]), (175, 1))
checks.equal("invalidate: many", asked(lambda: prices(1, 2)), ([175, 200], 1))
product.set({"id": 2, "name": "set", "cents": 0}, 2)
checks.equal("set: without the database", asked(lambda: product(2)["name"]), ("set", 0))
checks.equal("refresh: asks", (asked(lambda: product.refresh(2)["name"])), ("Product 2", 1))
checks.equal("get: only what is kept", (product.get(2)["name"], product.get(10)), ("Product 2", NO_VALUE))

checks.equal("a value of its own: get_or_create", region.get_or_create("mine", lambda: b"\x00\xff" * 524288), b"\x00\xff" * 524288)
checks.equal("a 1 MB value", len(region.get("mine")), 1048576)
region.set_multi({"x": 1, "y": 2})
checks.equal("get_multi", region.get_multi(["x", "y", "z"]), [1, 2, NO_VALUE])
region.delete_multi(["x", "y"])
checks.equal("delete_multi", region.get_multi(["x", "y"]), [NO_VALUE, NO_VALUE])


def made_again():
    checks.equal("expiration_time: a miss", asked(average_cents), (557.5, 1))
    made = len(queries)

    def read():
        average_cents()
        return None if len(queries) > made else True

    return read


checks.expires("expiration_time=1", made_again, 1)

region.delete("slow")
calls = []


def slow():
    calls.append(1)
    time.sleep(0.05)  # the work that must be done once
    return "made"


results = []
threads = [threading.Thread(target=lambda: results.append(region.get_or_create("slow", slow))) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
checks.equal("eight threads that miss at once: one makes it", (results, len(calls)), (["made"] * 8, 1))

redis.client_kill_filter(_id=redis.client_id(), skipme=False)
checks.equal("a hit after the server closed the connection", asked(lambda: product(1)["cents"]), (175, 0))
region.invalidate()
checks.equal("region.invalidate: everything is made again", asked(lambda: product(1)["cents"]), (175, 1))
redis.flushdb()
redis.close()
engine.dispose()
scratch.cleanup()
checks.done()
