//! Scans under way: which segments each of them has walked, since its cursor has no room to say so.

use crate::clock::Millis;

/// Scans that are remembered. One that is not walks on all the same: it reads every entry on disk by itself.
const SCANS_MAX: usize = 511;
/// A scan that was not heard of for so long is forgotten if another begins, in milliseconds.
const IDLE_MS: u64 = 600_000;

#[derive(Clone, Copy, Debug)]
struct Scan {
    /// Segments up to this number were finished when it began.
    last: u64,
    heard_of: Millis,
}

#[derive(Debug, Default)]
pub(crate) struct Scans(Vec<Scan>);

impl Scans {
    /// Remembers a scan that begins; returns its number, zero if there are too many.
    pub(crate) fn begin(&mut self, last: u64, now: Millis) -> u64 {
        let scan = Scan { last, heard_of: now };
        if self.0.len() < SCANS_MAX {
            self.0.push(scan);
            return self.0.len() as u64;
        }
        let idle = self.0.iter_mut().enumerate().min_by_key(|(_, scan)| (scan.last != 0, scan.heard_of));
        match idle {
            Some((place, idle)) if idle.last == 0 || idle.heard_of.0 + IDLE_MS < now.0 => {
                *idle = scan;
                place as u64 + 1
            }
            _ => 0,
        }
    }

    /// The greatest number of a segment that a scan has walked or will; zero if it is not known.
    pub(crate) fn last(&mut self, scan: u64, now: Millis) -> u64 {
        let known = scan.checked_sub(1).and_then(|place| self.0.get_mut(place as usize));
        known.map_or(0, |known| {
            known.heard_of = now;
            known.last
        })
    }

    /// Forgets a scan that has ended.
    pub(crate) fn end(&mut self, scan: u64) {
        if let Some(known) = scan.checked_sub(1).and_then(|place| self.0.get_mut(place as usize)) {
            *known = Scan { last: 0, heard_of: Millis(0) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_not_taken_for_another() {
        let mut scans = Scans::default();
        let numbers: Vec<_> = (0..SCANS_MAX as u64).map(|n| scans.begin(n + 10, Millis(n))).collect();
        assert_eq!((numbers[0], scans.last(numbers[3], Millis(5000))), (1, 13));
        assert_eq!(scans.begin(99, Millis(5000)), 0, "all are in use");
        assert_eq!(scans.last(0, Millis(5000)), 0);
        scans.end(numbers[7]);
        let again = scans.begin(99, Millis(6000));
        assert_eq!((again, scans.last(again, Millis(6000))), (numbers[7], 99));
    }
}
