//! Reads the trace files, each in the format of those who published it.

use std::io::{BufRead as _, BufReader, Read};

use anyhow::Context as _;

use crate::trace::Trace;

static OLTP: &[u8] = include_bytes!("../data/OLTP.lis.zst");
static ORM_BUSY: &[u8] = include_bytes!("../data/orm-busy.trace.xz");
static CORDA: &[u8] = include_bytes!("../data/corda_vaultservice.gz");
static LIRS_LOOP: &[u8] = include_bytes!("../data/lirs-loop.trace.gz");
/// Key and value sizes and Zipf exponents of production caches.
pub(crate) static TWITTER: &str = include_str!("../data/twitter-2020Mar-stats.md");

/// A CODASYL database: lines of first block, number of blocks and two fields to ignore.
pub(crate) fn oltp() -> anyhow::Result<Trace> {
    let lines = BufReader::new(zstd::Decoder::new(OLTP)?).lines();
    let mut keys = Vec::new();
    for line in lines {
        let line = line.context("OLTP: damaged file")?;
        let mut fields = line.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(count))) = (fields.next(), fields.next()) else {
            anyhow::bail!("OLTP: no block in {line:?}");
        };
        keys.extend(first..first + count);
    }
    Ok(Trace::uniform(keys))
}

/// Database objects of a shop: big-endian numbers of four bytes.
pub(crate) fn orm_busy() -> anyhow::Result<Trace> {
    let bytes = all(liblzma::read::XzDecoder::new(ORM_BUSY)).context("orm-busy: damaged file")?;
    Ok(Trace::uniform(bytes.as_chunks().0.iter().map(|word| u64::from(u32::from_be_bytes(*word)))))
}

/// A ledger's vault: big-endian numbers of eight bytes.
pub(crate) fn corda() -> anyhow::Result<Trace> {
    let bytes = all(flate2::read::MultiGzDecoder::new(CORDA)).context("corda: damaged file")?;
    Ok(Trace::uniform(bytes.as_chunks().0.iter().map(|word| u64::from_be_bytes(*word))))
}

/// A plain loop: a number a line, anything else is passed over.
pub(crate) fn lirs_loop() -> anyhow::Result<Trace> {
    let bytes = all(flate2::read::MultiGzDecoder::new(LIRS_LOOP)).context("lirs-loop: damaged file")?;
    let text = String::from_utf8(bytes).context("lirs-loop: no text")?;
    Ok(Trace::uniform(text.lines().filter_map(|line| line.trim().parse().ok())))
}

fn all(mut from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trace_has_the_requests_and_keys_that_its_readme_tells() {
        let told = [
            (oltp(), 914_145, 186_880),
            (orm_busy(), 5_000_000, 76_349),
            (corda(), 135_702, 90_468),
            (lirs_loop(), 505_500, 1_011),
        ];
        for (trace, requests, unique) in told {
            let trace = trace.expect("a whole file");
            assert_eq!((trace.requests.len(), trace.sizes.len()), (requests, unique));
        }
    }
}
