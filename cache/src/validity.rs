//! Validity: the invalidations of the past, and whether one of them speaks against an entry.
//!
//! An invalidation by tag or prefix costs the same however many entries it reaches: it is noted here under the next
//! ordinal. An entry is known to be valid as of some ordinal; when that is the newest it is served without a look at the
//! tables. Else they are asked, until the background sweep has looked at every entry once and lifted its ordinal.
//! Records are kept until the sweep has passed them and fills that began before them can no longer come in.

use std::collections::{BTreeMap, HashMap};

use parking_lot::RwLock;

use crate::clock::Millis;
use crate::journal::{NAME_MAX, What};

/// How long after a miss its fill may come in, in milliseconds.
pub(crate) const FILL_WINDOW_MS: u64 = 60_000;
/// Records by tag, and by key, that are kept; more are merged into one of everything.
const RECORDS_MAX: usize = 1 << 16;
/// Records by prefix that are kept, and how many lengths they may have: each is a look-up when an entry is checked.
const PREFIXES_MAX: usize = 1 << 12;
const PREFIX_LENGTHS_MAX: usize = 24;

/// Which entries an invalidation reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge<'a> {
    /// The entry of this key.
    Key(&'a [u8]),
    /// Those that carry this tag.
    Tag(&'a [u8]),
    /// Those whose key begins so.
    Prefix(&'a [u8]),
}

/// An invalidation that speaks against an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalidation {
    /// Its number: invalidations of all kinds are counted from one.
    pub sequence: u64,
    /// When it was made.
    pub at: Millis,
    /// The connection that made it; zero if none did.
    pub by: u64,
    pub(crate) ordinal: u32,
    /// Its number in the journal, where one is kept.
    pub(crate) said_at: u64,
}

/// An invalidation as the journal was told of it.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// The one that it is about, or all.
    pub(crate) incarnation: Option<u32>,
    pub(crate) what: What<Box<[u8]>>,
    pub(crate) record: Invalidation,
}

/// What an entry, or one that is about to be stored, is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) incarnation: u32,
    pub(crate) hash: u64,
    pub(crate) key: &'a [u8],
    /// Encoded.
    pub(crate) tags: &'a [u8],
}

/// The invalidations of one database.
#[derive(Debug, Default)]
struct Scope {
    tags: HashMap<Box<[u8]>, Invalidation>,
    prefixes: HashMap<Box<[u8]>, Invalidation>,
    /// How many prefixes there are of each length.
    lengths: BTreeMap<usize, usize>,
    keys: HashMap<u64, Invalidation>,
    /// The ordinals of the last by tag and by prefix.
    newest: (u32, u32),
}

#[derive(Debug, Default)]
struct Tables {
    scopes: HashMap<u32, Scope>,
    /// The last that reached everything: by order, or because there were too many.
    everything: Option<Invalidation>,
    latest: Option<Invalidation>,
    merged: u64,
}

/// All invalidations that may still matter. Changed only under every shard's lock, so whoever holds one sees it stand still.
#[derive(Debug, Default)]
pub(crate) struct Validity {
    tables: RwLock<Tables>,
}

/// What an invalidation has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// A record of its own.
    Alone(Invalidation),
    /// One of everything, since there were too many: every database has to be emptied.
    Merged(Invalidation),
}

impl Validity {
    /// Notes an invalidation in a database. `say` tells the journal of it, and what its number is there.
    pub(crate) fn note(
        &self,
        incarnation: u32,
        hash: u64,
        purge: Purge<'_>,
        (at, by): (Millis, u64),
        say: impl Fn(u32, Option<u32>, What<&[u8]>) -> u64,
    ) -> Noted {
        let mut tables = self.tables.write();
        let moves_ordinal = !matches!(purge, Purge::Key(_));
        let Some(mut record) = tables.next(at, by, moves_ordinal) else {
            return Noted::Merged(tables.merge(at, by, say));
        };
        let scope = tables.scopes.entry(incarnation).or_default();
        let Some(purge) = scope.reach(purge) else {
            return Noted::Merged(tables.merge(at, by, say));
        };
        record.said_at = match purge {
            Purge::Key(_) => 0,
            // What is too long to be said is too long to be carried by any entry.
            Purge::Tag(tag) if tag.len() > NAME_MAX => 0,
            Purge::Tag(tag) => say(record.ordinal, Some(incarnation), What::Tag(tag)),
            Purge::Prefix(prefix) => {
                say(record.ordinal, Some(incarnation), What::Prefix(&prefix[..prefix.len().min(NAME_MAX)]))
            }
        };
        let is_in = scope.insert(hash, purge, record);
        if is_in { Noted::Alone(record) } else { Noted::Merged(tables.merge(at, by, say)) }
    }

    /// Notes that everything was invalidated; the caller empties the databases.
    pub(crate) fn note_everything(
        &self,
        (at, by): (Millis, u64),
        say: impl Fn(u32, Option<u32>, What<&[u8]>) -> u64,
    ) -> Invalidation {
        self.tables.write().everything(at, by, say)
    }

    /// All that are kept and were said in the journal, with the database that each is about.
    pub(crate) fn said(&self) -> Vec<Said> {
        let tables = self.tables.read();
        let mut said = Vec::new();
        for (&incarnation, scope) in &tables.scopes {
            let tags = scope.tags.iter().map(|(tag, record)| (What::Tag(tag.clone()), *record));
            let prefixes =
                scope.prefixes.iter().map(|(prefix, record)| (What::Prefix(prefix.clone()), *record));
            let many = tags.chain(prefixes);
            said.extend(many.map(|(what, record)| Said { incarnation: Some(incarnation), what, record }));
        }
        let everything = |record| Said { incarnation: None, what: What::All, record };
        said.extend(tables.everything.map(everything));
        said.sort_unstable_by_key(|said| said.record.said_at);
        said
    }

    /// The ordinals of the last invalidations by tag and by prefix in a database.
    pub(crate) fn newest_of(&self, incarnation: u32) -> (u32, u32) {
        let tables = self.tables.read();
        tables.scopes.get(&incarnation).map_or((0, 0), |scope| scope.newest)
    }

    /// The last invalidation of all.
    pub(crate) fn latest(&self) -> Option<Invalidation> {
        self.tables.read().latest
    }

    /// How often there were too many.
    pub(crate) fn merged(&self) -> u64 {
        self.tables.read().merged
    }

    /// Records that are kept.
    pub(crate) fn records(&self) -> usize {
        self.tables.read().scopes.values().map(Scope::len).sum()
    }

    /// The latest invalidation by tag or prefix with an ordinal above `ordinal` that reaches the subject.
    pub(crate) fn against_entry(&self, subject: Subject<'_>, ordinal: u32) -> Option<Invalidation> {
        let tables = self.tables.read();
        tables
            .scopes
            .get(&subject.incarnation)?
            .latest_of_many(subject)
            .filter(|found| found.ordinal > ordinal)
    }

    /// The latest invalidation of any kind that reaches the subject.
    pub(crate) fn against_fill(&self, subject: Subject<'_>) -> Option<Invalidation> {
        let tables = self.tables.read();
        let scope = tables.scopes.get(&subject.incarnation);
        let by_key = scope.and_then(|scope| scope.keys.get(&subject.hash)).copied();
        let by_many = scope.and_then(|scope| scope.latest_of_many(subject));
        [tables.everything, by_key, by_many].into_iter().flatten().max_by_key(|found| found.sequence)
    }

    /// Forgets what every entry has been checked against, up to `swept`, and no fill can be matched with any more.
    pub(crate) fn forget(&self, swept: u32, now: Millis) {
        let is_old = |record: &Invalidation| record.at.0 + FILL_WINDOW_MS < now.0;
        let tables = self.tables.upgradable_read();
        let goes = |scope: &Scope| {
            let mut many = scope.tags.values().chain(scope.prefixes.values());
            many.any(|record| record.ordinal <= swept && is_old(record)) || scope.keys.values().any(is_old)
        };
        if !tables.scopes.values().any(goes) {
            return;
        }
        let mut tables = parking_lot::RwLockUpgradableReadGuard::upgrade(tables);
        tables.scopes.retain(|_, scope| {
            scope.tags.retain(|_, record| record.ordinal > swept || !is_old(record));
            let lengths = &mut scope.lengths;
            scope.prefixes.retain(|prefix, record| {
                let stays = record.ordinal > swept || !is_old(record);
                if !stays && let Some(count) = lengths.get_mut(&prefix.len()) {
                    *count -= 1;
                }
                stays
            });
            lengths.retain(|_, count| *count > 0);
            scope.keys.retain(|_, record| !is_old(record));
            scope.len() > 0
        });
    }
}

impl Tables {
    /// The next record; none if ordinals have run out.
    fn next(&mut self, at: Millis, by: u64, moves_ordinal: bool) -> Option<Invalidation> {
        let (sequence, ordinal) = self.latest.map_or((0, 0), |latest| (latest.sequence, latest.ordinal));
        let ordinal = if moves_ordinal { ordinal.checked_add(1)? } else { ordinal };
        let record = Invalidation { sequence: sequence + 1, at, by, ordinal, said_at: 0 };
        self.latest = Some(record);
        Some(record)
    }

    fn everything(
        &mut self,
        at: Millis,
        by: u64,
        say: impl Fn(u32, Option<u32>, What<&[u8]>) -> u64,
    ) -> Invalidation {
        let (sequence, ordinal) = self.latest.map_or((0, 0), |latest| (latest.sequence, latest.ordinal));
        let said_at = say(ordinal, None, What::All);
        let record = Invalidation { sequence: sequence + 1, at, by, ordinal, said_at };
        (self.latest, self.everything) = (Some(record), Some(record));
        self.scopes.clear();
        record
    }

    fn merge(
        &mut self,
        at: Millis,
        by: u64,
        say: impl Fn(u32, Option<u32>, What<&[u8]>) -> u64,
    ) -> Invalidation {
        self.merged += 1;
        self.everything(at, by, say)
    }
}

impl Scope {
    fn len(&self) -> usize {
        self.tags.len() + self.prefixes.len() + self.keys.len()
    }

    /// What a purge is to reach so that it can be noted: with too many lengths a prefix is cut to one that there is, which
    /// reaches more, never less. None if it would have to be everything.
    fn reach<'a>(&self, purge: Purge<'a>) -> Option<Purge<'a>> {
        let Purge::Prefix(prefix) = purge else { return Some(purge) };
        if self.lengths.len() < PREFIX_LENGTHS_MAX {
            return Some(purge);
        }
        let length = self.lengths.range(..=prefix.len()).next_back().map(|(&length, _)| length)?;
        Some(Purge::Prefix(&prefix[..length]))
    }

    /// False if there is no room.
    fn insert(&mut self, hash: u64, purge: Purge<'_>, record: Invalidation) -> bool {
        match purge {
            Purge::Key(_) => {
                self.keys.insert(hash, record);
                self.keys.len() <= RECORDS_MAX
            }
            Purge::Tag(tag) => {
                self.newest.0 = record.ordinal;
                self.tags.insert(tag.into(), record);
                self.tags.len() <= RECORDS_MAX
            }
            Purge::Prefix(prefix) => {
                self.newest.1 = record.ordinal;
                if self.prefixes.insert(prefix.into(), record).is_none() {
                    *self.lengths.entry(prefix.len()).or_default() += 1;
                }
                self.prefixes.len() <= PREFIXES_MAX
            }
        }
    }

    /// The latest by tag or prefix.
    fn latest_of_many(&self, subject: Subject<'_>) -> Option<Invalidation> {
        let by_tag = crate::tags::iter(subject.tags).filter_map(|tag| self.tags.get(tag));
        let lengths = self.lengths.range(..=subject.key.len()).map(|(&length, _)| length);
        let by_prefix = lengths.filter_map(|length| self.prefixes.get(&subject.key[..length]));
        by_tag.chain(by_prefix).max_by_key(|found| found.sequence).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);

    fn subject<'a>(key: &'a [u8], tags: &'a [u8]) -> Subject<'a> {
        Subject { incarnation: 1, hash: 7, key, tags }
    }

    #[test]
    fn older_entries_are_reached_and_newer_ones_are_not() {
        let validity = Validity::default();
        validity.note(1, 0, Purge::Tag(b"red"), (NOW, 0), |_, _, _| 0);
        validity.note(1, 0, Purge::Prefix(b"user:"), (NOW, 0), |_, _, _| 0);
        let red = subject(b"x", b"\x03red");
        assert_eq!(validity.against_entry(red, 0).map(|found| found.sequence), Some(1));
        assert_eq!(validity.against_entry(red, 1), None);
        assert_eq!(validity.against_entry(subject(b"user:9", b""), 1).map(|found| found.sequence), Some(2));
        assert_eq!(validity.against_entry(subject(b"user", b"\x04blue"), 0), None);
        assert_eq!(validity.against_entry(Subject { incarnation: 2, ..red }, 0), None);
    }

    #[test]
    fn too_many_prefix_lengths_reach_more_and_never_less() {
        let validity = Validity::default();
        let long = [b'a'; 100];
        for length in 10..10 + PREFIX_LENGTHS_MAX {
            assert!(matches!(
                validity.note(1, 0, Purge::Prefix(&long[..length]), (NOW, 0), |_, _, _| 0),
                Noted::Alone(_)
            ));
        }
        let before = validity.latest().map_or(0, |latest| latest.ordinal);
        assert!(matches!(
            validity.note(
                1,
                0,
                Purge::Prefix(b"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
                (NOW, 0),
                |_, _, _| 0
            ),
            Noted::Alone(_)
        ));
        assert!(
            validity
                .against_entry(subject(b"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb1", b""), before)
                .is_some()
        );
        assert!(matches!(validity.note(1, 0, Purge::Prefix(b"c"), (NOW, 0), |_, _, _| 0), Noted::Merged(_)));
    }

    #[test]
    fn a_record_stays_until_it_is_swept_and_fills_have_come_in() {
        let validity = Validity::default();
        validity.note(1, 0, Purge::Tag(b"red"), (NOW, 0), |_, _, _| 0);
        validity.note(1, 7, Purge::Key(b"x"), (NOW, 0), |_, _, _| 0);
        let later = Millis(NOW.0 + FILL_WINDOW_MS + 1);
        validity.forget(1, NOW);
        assert_eq!(validity.records(), 2);
        validity.forget(0, later);
        assert_eq!(validity.records(), 1);
        validity.forget(1, later);
        assert_eq!(validity.records(), 0);
    }
}
