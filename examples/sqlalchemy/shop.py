"""Query results of SQLAlchemy kept in Larder by dogpile.cache.

pip install sqlalchemy dogpile.cache redis

Of the callers in one process that miss at the same time, one asks the database and the others wait for it or take
the value that has just run out: dogpile's own lock does that, and it needs nothing from the server.
"""

import os

from dogpile.cache import make_region
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

SOCKET = os.environ.get("LARDER_SOCKET", "/run/larder/larder.sock")

region = make_region().configure(
    "dogpile.cache.redis",
    expiration_time=60,  # when a value is made again, in seconds
    arguments={
        "url": f"unix://{SOCKET}?db=4",
        "redis_expiration_time": 120,  # when the server drops it
        "distributed_lock": False,
    },
)
engine = create_engine(os.environ.get("SHOP_DATABASE", "sqlite:///shop.sqlite3"))


class Base(DeclarativeBase):
    pass


class Product(Base):
    __tablename__ = "product"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    cents: Mapped[int]


@region.cache_on_arguments()
def product(product_id):
    """One row as a dictionary, None (kept, too) if there is none."""
    with Session(engine) as session:
        row = session.get(Product, product_id)
        return None if row is None else {"id": row.id, "name": row.name, "cents": row.cents}


@region.cache_multi_on_arguments()
def prices(*product_ids):
    """The prices of many products: asks the database for those that are not kept, in one query."""
    with Session(engine) as session:
        found = dict(session.execute(select(Product.id, Product.cents).where(Product.id.in_(product_ids))).all())
    return [found.get(product_id) for product_id in product_ids]


@region.cache_on_arguments(expiration_time=1)
def average_cents():
    """Made again every second at the soonest."""
    with Session(engine) as session:
        return session.scalar(select(func.avg(Product.cents)))


def reprice(product_id, cents):
    """Writes the database, then drops what was made from the old row."""
    with Session(engine) as session, session.begin():
        session.get_one(Product, product_id).cents = cents
    product.invalidate(product_id)
    prices.invalidate(product_id)
