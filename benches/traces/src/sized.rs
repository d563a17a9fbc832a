//! Traces whose entries differ in size: each key has the key and value size of a production cluster, drawn once, and is asked
//! for by a cluster's Zipf exponent.

use crate::decode::TWITTER;
use crate::random::{Random, Zipf, scramble};
use crate::trace::Trace;

const REQUESTS: usize = 3_000_000;
const KEYS: usize = 200_000;
/// Values above this are rare in production and would make the result a matter of luck.
const VALUE_MAX: u32 = 16 << 10;

/// One cluster's line.
#[derive(Clone, Copy)]
struct Cluster {
    key: u32,
    value: u32,
    alpha: f64,
}

/// A row with sizes.
#[derive(Clone, Copy)]
pub(crate) struct Sized {
    alpha: f64,
    /// The memory limit in bytes.
    pub(crate) memory: u64,
}

impl Sized {
    /// The least, the median and an upper exponent of the clusters, at two limits.
    pub(crate) fn all() -> Vec<Self> {
        let mut alphas: Vec<f64> = clusters().iter().map(|cluster| cluster.alpha).collect();
        alphas.sort_by(f64::total_cmp);
        let picked = [0, alphas.len() / 4, alphas.len() / 2].map(|place| alphas[place]);
        [8 << 20, 64 << 20]
            .into_iter()
            .flat_map(|memory| picked.map(|alpha| Self { alpha, memory }))
            .collect()
    }

    pub(crate) fn name(self) -> String {
        format!("twitter sizes, Zipf {:.2}, {} MiB", self.alpha, self.memory >> 20)
    }

    /// Sizes are those of key and value together.
    pub(crate) fn trace(self) -> Trace {
        let clusters = clusters();
        let (zipf, mut random) = (Zipf::new(KEYS, self.alpha), Random(11));
        let size = |key| {
            let cluster = cluster_of(&clusters, key);
            cluster.key + cluster.value
        };
        Trace::sized((0..REQUESTS).map(|_| zipf.draw(&mut random)), size)
    }
}

/// Bytes of each key of a trace, by its total size, which the clusters tell apart well enough.
pub(crate) fn key_bytes(trace: &Trace) -> Vec<u32> {
    let clusters = clusters();
    let key = |size| clusters.iter().find(|c| c.key + c.value == size).map_or(8, |c| c.key);
    trace.sizes.iter().map(|&size| key(size)).collect()
}

fn cluster_of(clusters: &[Cluster], key: u64) -> Cluster {
    clusters[(scramble(key + 77) % clusters.len() as u64) as usize]
}

/// The clusters whose line is complete.
fn clusters() -> Vec<Cluster> {
    let parse = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let number = |place: usize| cells.get(place)?.parse::<f64>().ok();
        let (key, value) = (number(4)? as u32, number(5)? as u32);
        let alpha = cells.iter().rev().find_map(|cell| cell.parse::<f64>().ok())?;
        Some(Cluster { key, value, alpha }).filter(|c| c.value <= VALUE_MAX && (0.5..3.0).contains(&c.alpha))
    };
    TWITTER.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_clusters_is_read() {
        let clusters = clusters();
        assert!(clusters.len() > 35, "{}", clusters.len());
        assert!(clusters.iter().any(|c| (c.key, c.value) == (80, 267)));
    }
}
