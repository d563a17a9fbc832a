//! Measures one row: the cache, and what it is judged by.

use crate::reference::{Fixed, Ratio, optimum};
use crate::replay;
use crate::rows::{Block, Row};
use crate::sized::key_bytes;

/// Points that the cache may be under the best fixed policy.
pub(crate) const POINTS_ALLOWED: f64 = 1.0;
/// Points that our own run of a fixed policy may differ from the published one.
pub(crate) const REPRODUCED: f64 = 0.1;

/// A row that was measured.
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) block: Block,
    pub(crate) cache: Ratio,
    /// The most entries or bytes resident at once, and how many were allowed.
    pub(crate) resident: (u64, u64),
    pub(crate) rule_changes: u64,
    /// Hit ratios by each fixed policy, as they count for this row.
    pub(crate) fixed: Vec<Ratio>,
    pub(crate) optimum: f64,
    /// Policies whose own run differs from the published figure, and by how much.
    pub(crate) unlike: Vec<(Fixed, f64)>,
}

impl Measured {
    /// The best fixed policy, by a figure of its ratio.
    pub(crate) fn best(&self, figure: impl Fn(&Ratio) -> f64) -> (Fixed, f64) {
        let all = Fixed::ALL.into_iter().zip(self.fixed.iter().map(figure));
        all.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((Fixed::Fifo, 0.0))
    }

    pub(crate) fn is_met(&self) -> bool {
        self.cache.hits >= self.best(|ratio| ratio.hits).1 - POINTS_ALLOWED
    }
}

pub(crate) fn measure(row: &Row, references: bool, full: bool) -> anyhow::Result<Measured> {
    let mut trace = (row.load)()?;
    let (replay, capacity) = match row.sized {
        // The fixed policies get as many bytes for entries as the cache ever had, its overhead taken off.
        Some(sized) => {
            let keys = key_bytes(&trace);
            let replay = replay::sized(&trace, &keys, sized.memory)?;
            let capacity = replay.resident;
            trace.sizes = replay::weights(&trace, &keys)?;
            (replay, capacity)
        }
        None => (replay::uniform(&trace, row.capacity, row.shards)?, row.capacity),
    };
    let own = |fixed: Fixed| fixed.run(&trace, capacity);
    let (fixed, unlike) = match row.published {
        Some(published) => {
            let told = published.map(|hits| Ratio { hits, bytes: hits });
            let differs = |fixed: Fixed| (fixed, own(fixed).hits - told[fixed as usize].hits);
            let unlike = if references { Fixed::ALL.into_iter().map(differs).collect() } else { Vec::new() };
            (told[..Fixed::ALL.len()].to_vec(), unlike)
        }
        None => (Fixed::ALL.into_iter().map(own).collect(), Vec::new()),
    };
    let best_possible = match row.published {
        Some(published) => published[8],
        None if full => optimum(&trace, capacity).hits,
        None => f64::NAN,
    };
    Ok(Measured {
        name: row.name.clone(),
        block: row.block,
        cache: replay.ratio,
        resident: (replay.resident, row.sized.map_or(row.capacity, |sized| sized.memory)),
        rule_changes: replay.rule_changes,
        fixed,
        optimum: best_possible,
        unlike: unlike.into_iter().filter(|(_, by)| by.abs() > REPRODUCED).collect(),
    })
}
