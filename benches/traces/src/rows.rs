//! The rows of the table: which trace, how large a cache, and what is published about it.

use crate::decode;
use crate::sized::Sized;
use crate::synthetic::{self, CAPACITY};
use crate::trace::Trace;

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) block: Block,
    pub(crate) load: Box<dyn Fn() -> anyhow::Result<Trace>>,
    /// Entries that may be resident.
    pub(crate) capacity: u64,
    pub(crate) shards: usize,
    /// Hit ratios of the README beside the traces: the fixed policies in their order, and the optimum.
    pub(crate) published: Option<[f64; 9]>,
    /// Key and value sizes, where entries differ in size.
    pub(crate) sized: Option<Sized>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    Published,
    Sharded,
    Synthetic,
    Bytes,
}

impl Block {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Published => "real traces, one shard, beside the published table",
            Self::Sharded => "the same, four shards",
            Self::Synthetic => "made-up patterns, one shard, beside our own runs of the fixed policies",
            Self::Bytes => "sizes and skew of production caches, hits and bytes",
        }
    }
}

type Load = fn() -> anyhow::Result<Trace>;

const PUBLISHED: [(&str, Load, u64, [f64; 9]); 8] = [
    ("OLTP", decode::oltp, 1_000, [28.53, 32.83, 13.83, 32.56, 40.81, 38.95, 35.62, 41.24, 53.61]),
    ("OLTP", decode::oltp, 5_000, [49.68, 53.65, 28.00, 51.89, 55.86, 55.25, 52.51, 55.48, 68.27]),
    ("OLTP", decode::oltp, 10_000, [57.29, 60.70, 34.08, 60.47, 62.59, 61.87, 59.62, 62.24, 73.02]),
    ("orm-busy", decode::orm_busy, 763, [75.94, 77.03, 17.10, 70.53, 75.64, 76.75, 59.47, 71.92, 82.82]),
    ("orm-busy", decode::orm_busy, 3_817, [83.16, 84.13, 47.84, 83.89, 85.25, 84.32, 80.54, 85.17, 90.18]),
    ("orm-busy", decode::orm_busy, 7_634, [86.79, 88.01, 64.94, 88.12, 89.03, 88.04, 86.65, 88.67, 93.31]),
    ("corda", decode::corda, 904, [33.33, 33.33, 0.66, 0.66, 33.33, 33.30, 1.05, 33.33, 33.33]),
    ("lirs-loop", decode::lirs_loop, 505, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 49.32, 39.78, 49.85]),
];

/// Every row, in the order in which it is printed.
pub(crate) fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    for (block, shards) in [(Block::Published, 1), (Block::Sharded, 4)] {
        for (name, load, capacity, published) in PUBLISHED {
            rows.push(Row {
                name: if shards == 1 {
                    format!("{name} {capacity}")
                } else {
                    format!("{name} {capacity}, {shards} shards")
                },
                block,
                load: Box::new(load),
                capacity,
                shards,
                published: Some(published),
                sized: None,
            });
        }
    }
    for (name, make) in synthetic::ALL {
        rows.push(Row {
            name: name.to_owned(),
            block: Block::Synthetic,
            load: Box::new(move || Ok(make())),
            capacity: CAPACITY,
            shards: 1,
            published: None,
            sized: None,
        });
    }
    for sized in Sized::all() {
        rows.push(Row {
            name: sized.name(),
            block: Block::Bytes,
            load: Box::new(move || Ok(sized.trace())),
            capacity: 0,
            shards: 1,
            published: None,
            sized: Some(sized),
        });
    }
    rows
}
