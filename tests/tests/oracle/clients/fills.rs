//! Clients that load what they miss from a source, which changes meanwhile, and one that purges what changed.
//!
//! Whoever reads after a purge was acknowledged must not find what the source held before.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use larder_tests::resp::Value;

use crate::findings::Findings;
use crate::life::{Life, words};
use crate::moment::{Moment, SLACK, Span, now};
use crate::random::Random;

pub(crate) const DATABASE: u32 = 1;
const KEYS: usize = 18;
const TAGS: usize = 2;
/// How long a value is served whose miss was forgotten.
const UNMATCHED_TTL: Duration = Duration::from_secs(5).saturating_add(SLACK);

fn name_of(key: usize) -> String {
    ["key", "tag", "pre"][key % 3].to_owned() + &format!(":{key}")
}

/// The tag of the keys that carry one.
fn tag_of(key: usize) -> Option<String> {
    (key % 3 == 1).then(|| format!("tag{}", key / 3 % TAGS))
}

/// What one of them noted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Note {
    Found { key: usize, version: u64, at: Span },
    Purged { key: usize, version: u64, at: Span },
}

/// The source, and as of which versions purges were acknowledged.
#[derive(Debug)]
pub(crate) struct Fills {
    source: Vec<AtomicU64>,
    floor: Vec<u64>,
    pub(crate) findings: Findings,
}

impl Fills {
    pub(crate) fn new() -> Self {
        Self {
            source: (0..KEYS).map(|_| AtomicU64::new(1)).collect(),
            floor: vec![0; KEYS],
            findings: Findings::new(format!("fills of database {DATABASE}")),
        }
    }

    pub(crate) fn names() -> Vec<String> {
        (0..KEYS).map(name_of).collect()
    }

    /// Everything was purged while nobody did anything.
    pub(crate) fn emptied(&mut self) {
        for (key, floor) in self.floor.iter_mut().enumerate() {
            *floor = self.source[key].fetch_add(1, SeqCst) + 1;
            self.findings
                .note(&name_of(key), format_args!("everything emptied; version {floor} from now on"));
        }
    }

    /// Puts together what was noted in a life, and judges it. `is_unsure`: the agent has stored fills whose misses it had
    /// forgotten, which it may for some seconds.
    pub(crate) fn settle(&mut self, parts: Vec<(Findings, Vec<Note>)>, is_unsure: bool) {
        let mut notes = Vec::new();
        for (findings, more) in parts {
            self.findings.tally += findings.tally;
            for text in findings.shown() {
                self.findings.violation("", text);
            }
            notes.extend(more);
        }
        let sent = |note: &Note| match note {
            Note::Found { at, .. } | Note::Purged { at, .. } => at.sent,
        };
        notes.sort_by_key(sent);
        let mut purges: Vec<Vec<(Moment, u64)>> = vec![Vec::new(); KEYS];
        for note in &notes {
            if let Note::Purged { key, version, at } = *note {
                purges[key].push((at.answered, version));
            }
        }
        for note in &notes {
            match *note {
                Note::Purged { key, .. } => self.findings.note(&name_of(key), format_args!("{note:?}")),
                Note::Found { key, version, at } => {
                    self.findings.note(&name_of(key), format_args!("{note:?}"));
                    let bearable = if is_unsure { UNMATCHED_TTL } else { Duration::ZERO };
                    let known = purges[key].iter().filter(|(answered, _)| *answered + bearable < at.sent);
                    let floor = known.map(|&(_, version)| version).max().unwrap_or(0).max(self.floor[key]);
                    if version < floor {
                        self.findings.violation(
                            &name_of(key),
                            format_args!(
                                "version {version} found at {:.6?}, after {floor} was purged",
                                at.sent
                            ),
                        );
                    }
                }
            }
        }
        (0..KEYS).for_each(|key| self.findings.note(&name_of(key), "the agent ended"));
        for (floor, purges) in self.floor.iter_mut().zip(purges) {
            *floor = purges.into_iter().map(|(_, version)| version).max().unwrap_or(0).max(*floor);
        }
    }

    /// One that reads, and loads what it misses. It stores nothing that it missed in an earlier life: without a miss that is
    /// known a value may live for some seconds.
    pub(crate) fn load(&self, life: &Life, number: u64) -> (Findings, Vec<Note>) {
        let mut findings = Findings::new(format!("loader {number}"));
        let mut notes = Vec::new();
        let mut random = Random::of(life.seed, life.number, 200 + number);
        let Some(mut client) = life.connect(DATABASE, &mut findings) else { return (findings, notes) };
        let mut keys: Vec<usize> = (0..KEYS).collect();
        let mut is_first = true;
        while life.goes_on() {
            let gets: Vec<_> = keys.iter().map(|&key| words(&["GET", &name_of(key)])).collect();
            let mut missed = Vec::new();
            let whole = life.exchange(&mut client, &gets, &mut findings, |findings, place, at, reply| {
                let key = keys[place];
                findings.tally.reads += 1;
                findings.tally.hits += u64::from(!reply.is_null());
                match version_of(key, reply) {
                    Some(version) => notes.push(Note::Found { key, version, at }),
                    None if reply.is_null() => missed.push((key, self.source[key].load(SeqCst))),
                    None => findings.violation(&name_of(key), format_args!("found {reply:?}")),
                }
            });
            if std::mem::take(&mut is_first) {
                findings.tally.hits_after_restart = findings.tally.hits;
            }
            // The source is slow.
            std::thread::sleep(Duration::from_micros(random.below(1500)));
            let sets: Vec<_> = missed
                .iter()
                .map(|&(key, version)| {
                    let (name, value) = (name_of(key), format!("{} {version}", name_of(key)));
                    match tag_of(key) {
                        Some(tag) => words(&["LARDER.SET", &name, &value, "TAGS", "1", &tag]),
                        None if random.one_in(2) => words(&["SETEX", &name, "1000", &value]),
                        None => words(&["SET", &name, &value]),
                    }
                })
                .collect();
            if !whole || !life.exchange(&mut client, &sets, &mut findings, |_, _, _, _| ()) {
                break;
            }
            keys = (0..=random.below(4)).map(|_| random.place(KEYS)).collect();
            // Twice in one pipeline is one miss too many for one fill.
            keys.sort_unstable();
            keys.dedup();
        }
        (findings, notes)
    }

    /// One that changes the source and purges what it changed.
    pub(crate) fn purge(&self, life: &Life, number: u64) -> (Findings, Vec<Note>) {
        let mut findings = Findings::new(format!("purger {number}"));
        let mut notes = Vec::new();
        let mut random = Random::of(life.seed, life.number, 300 + number);
        let Some(mut client) = life.connect(DATABASE, &mut findings) else { return (findings, notes) };
        while life.goes_on() {
            let key = random.place(KEYS);
            let (kind, name, keys): (&str, String, Vec<usize>) = match (key % 3, tag_of(key)) {
                (_, Some(tag)) => {
                    let keys = (0..KEYS).filter(|&other| tag_of(other).as_ref() == Some(&tag)).collect();
                    ("TAG", tag, keys)
                }
                (2, _) => ("PREFIX", "pre:".into(), (0..KEYS).filter(|key| key % 3 == 2).collect()),
                _ => ("KEY", name_of(key), vec![key]),
            };
            let change = |key: usize| (key, self.source[key].fetch_add(1, SeqCst) + 1);
            let changed: Vec<(usize, u64)> = keys.into_iter().map(change).collect();
            let purge = words(&["LARDER.PURGE", kind, &name]);
            let whole = life.exchange(&mut client, &[purge], &mut findings, |findings, _, at, reply| {
                if *reply != Value::Int(1) {
                    findings.violation(&name, format_args!("a purge answers {reply:?}"));
                }
                notes.extend(changed.iter().map(|&(key, version)| Note::Purged { key, version, at }));
            });
            if !whole {
                break;
            }
            std::thread::sleep(Duration::from_micros(random.below(3000)));
        }
        (findings, notes)
    }
}

fn version_of(key: usize, reply: &Value) -> Option<u64> {
    reply.text()?.strip_prefix(&name_of(key))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_purged_before_a_read_is_not_to_be_found() {
        let span =
            |sent, answered| Span { sent: Moment::from_secs(sent), answered: Moment::from_secs(answered) };
        let found = |version, at| Note::Found { key: 0, version, at };
        let judged = |note| {
            let mut fills = Fills::new();
            fills.settle(
                vec![(Findings::new(""), vec![Note::Purged { key: 0, version: 5, at: span(1, 3) }, note])],
                false,
            );
            // The next life knows it too.
            fills.settle(vec![(Findings::new(""), vec![found(5, span(9, 10))])], false);
            fills.findings.violations
        };
        assert_eq!(judged(found(4, span(2, 4))), 0, "while it is purged");
        assert_eq!(judged(found(5, span(4, 5))), 0);
        assert_eq!(judged(found(4, span(4, 5))), 1);
        assert!(now() < Moment::from_secs(1 << 20));
    }
}
