//! What a client does that alone writes its keys, and what each command makes of an entry.

use std::collections::BTreeSet;
use std::time::Duration;

use super::moment::{Moment, SLACK, Span};
use super::possible::{Entry, Told};

/// A key's number.
pub(crate) type Key = u8;

/// Keys of a database.
pub(crate) const KEYS: Key = 24;

/// Prefixes of the names of keys.
pub(crate) const PREFIXES: [&str; 3] = ["a:", "b:", "c:"];

pub(crate) fn name_of(key: Key) -> String {
    format!("{}{key}", PREFIXES[usize::from(key) % PREFIXES.len()])
}

/// Whether the key's value is always a number.
pub(crate) fn is_number(key: Key) -> bool {
    key.is_multiple_of(4)
}

/// A command; times are in milliseconds.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Get(Key),
    GetEx(Key, u64),
    Remaining(Key),
    Set { key: Key, value: Vec<u8>, ttl: Option<u64>, tags: BTreeSet<u8>, if_absent: bool },
    GetSet(Key, Vec<u8>),
    GetDel(Key),
    Append(Key, Vec<u8>),
    SetRange(Key, usize, Vec<u8>),
    IncrBy(Key, i64),
    Expire(Key, u64),
    Persist(Key),
    Tag(Key, u8),
    Rename(Key, Key),
    Copy { from: Key, to: Key, replace: bool },
    SetMany(Vec<(Key, Vec<u8>)>),
    Remove { keys: Vec<Key>, verb: &'static str },
    PurgeKeys(Vec<Key>),
    PurgeTag(u8),
    PurgePrefix(&'static str),
    Flush,
    Swap,
}

fn after(at: Moment, ttl: u64) -> Moment {
    at + Duration::from_millis(ttl)
}

impl Command {
    /// Its key, where it has one only and says all by what is there and what it leaves.
    pub(crate) fn single_key(&self) -> Option<Key> {
        match self {
            Self::Get(key)
            | Self::GetEx(key, _)
            | Self::Remaining(key)
            | Self::Set { key, .. }
            | Self::GetSet(key, _)
            | Self::GetDel(key)
            | Self::Append(key, _)
            | Self::SetRange(key, ..)
            | Self::IncrBy(key, _)
            | Self::Expire(key, _)
            | Self::Persist(key)
            | Self::Tag(key, _) => Some(*key),
            _ => None,
        }
    }

    /// Whether it leaves alone what it did not find.
    pub(crate) fn misses_gently(&self) -> bool {
        matches!(
            self,
            Self::Get(_)
                | Self::GetEx(..)
                | Self::Remaining(_)
                | Self::Expire(..)
                | Self::Persist(_)
                | Self::Tag(..)
        )
    }

    /// The keys in whose histories it belongs; none for all.
    pub(crate) fn keys(&self) -> Vec<Key> {
        match self {
            Self::Rename(from, to) | Self::Copy { from, to, .. } => vec![*from, *to],
            Self::SetMany(pairs) => pairs.iter().map(|(key, _)| *key).collect(),
            Self::Remove { keys, .. } | Self::PurgeKeys(keys) => keys.clone(),
            _ => self.single_key().into_iter().collect(),
        }
    }

    /// What it answers where this is, and leaves.
    pub(crate) fn step(&self, before: Option<&Entry>, at: Span) -> (Told, Option<Entry>) {
        let new = |value: &[u8]| Entry { value: value.to_vec(), until: None, tags: BTreeSet::new() };
        let kept = before.cloned();
        let seen = before.map_or(Told::Nil, |entry| Told::Bulk(entry.value.clone()));
        let changed = |value: Vec<u8>| Entry { value, ..before.cloned().unwrap_or_else(|| new(&[])) };
        match self {
            Self::Get(_) => (seen, kept),
            Self::GetEx(_, ttl) => {
                (seen, kept.map(|entry| Entry { until: Some(after(at.answered, *ttl)), ..entry }))
            }
            Self::Remaining(_) => {
                let most = |until: Moment| (until + SLACK).saturating_sub(at.sent).as_millis();
                (before.map_or(Told::Int(-2), |entry| Told::Remaining(entry.until.map(most))), kept)
            }
            Self::Set { if_absent: true, .. } if before.is_some() => (Told::Nil, kept),
            Self::Set { value, ttl, tags, .. } => {
                let until = ttl.map(|ttl| after(at.answered, ttl));
                (Told::Ok, Some(Entry { value: value.clone(), until, tags: tags.clone() }))
            }
            Self::GetSet(_, value) => (seen, Some(new(value))),
            Self::GetDel(_) => (seen, None),
            Self::Append(_, more) => {
                let value = [before.map_or(&[][..], |entry| &entry.value), more].concat();
                (Told::Int(value.len() as i64), Some(changed(value)))
            }
            Self::SetRange(_, place, more) => {
                let mut value = before.map(|entry| entry.value.clone()).unwrap_or_default();
                value.resize(value.len().max(place + more.len()), 0);
                value[*place..place + more.len()].copy_from_slice(more);
                (Told::Int(value.len() as i64), Some(changed(value)))
            }
            Self::IncrBy(_, by) => {
                let text =
                    before.map_or("0".into(), |entry| String::from_utf8_lossy(&entry.value).into_owned());
                let number = text.parse::<i64>().expect("a key of numbers") + by;
                (Told::Int(number), Some(changed(number.to_string().into())))
            }
            Self::Expire(_, ttl) => {
                let until = Some(after(at.answered, *ttl));
                (Told::Int(i64::from(before.is_some())), kept.map(|entry| Entry { until, ..entry }))
            }
            // A deadline may be earlier than was asked for, and there may be one that was not.
            Self::Persist(_) => (Told::Flag, kept.map(|entry| Entry { until: None, ..entry })),
            Self::Tag(_, tag) => {
                let told = if before.is_some() { Told::Flag } else { Told::Int(0) };
                let with = |mut entry: Entry| {
                    entry.tags.insert(*tag);
                    entry
                };
                (told, kept.map(with))
            }
            _ => unreachable!("{self:?} has no single key"),
        }
    }

    /// As it is sent, by a client that has these two databases.
    pub(crate) fn words(&self, databases: [u32; 2]) -> Vec<Vec<u8>> {
        let line = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect::<Vec<_>>();
        let tag = |tag: u8| format!("t{tag}").into_bytes();
        let named = |verb: &[&str], keys: &[Key]| {
            let keys = keys.iter().map(|&key| name_of(key).into_bytes());
            verb.iter().map(|word| word.as_bytes().to_vec()).chain(keys).collect::<Vec<_>>()
        };
        let with = |verb: &str, key: Key, last: &[u8]| {
            vec![verb.as_bytes().to_vec(), name_of(key).into(), last.to_vec()]
        };
        let number = |number: u64| number.to_string().into_bytes();
        match self {
            Self::Get(key) => named(&["GET"], &[*key]),
            Self::GetEx(key, ttl) => line(&[b"GETEX", name_of(*key).as_bytes(), b"PX", &number(*ttl)]),
            Self::Remaining(key) => named(&["PTTL"], &[*key]),
            Self::Set { key, value, ttl, tags, if_absent } => {
                let mut words = with(if tags.is_empty() { "SET" } else { "LARDER.SET" }, *key, value);
                words.extend(if_absent.then(|| b"NX".to_vec()));
                words.extend(ttl.iter().flat_map(|ttl| [b"PX".to_vec(), number(*ttl)]));
                if !tags.is_empty() {
                    words.extend([b"TAGS".to_vec(), number(tags.len() as u64)]);
                    words.extend(tags.iter().map(|&one| tag(one)));
                }
                words
            }
            Self::GetSet(key, value) => with("GETSET", *key, value),
            Self::GetDel(key) => named(&["GETDEL"], &[*key]),
            Self::Append(key, more) => with("APPEND", *key, more),
            Self::SetRange(key, place, more) => {
                line(&[b"SETRANGE", name_of(*key).as_bytes(), &number(*place as u64), more])
            }
            Self::IncrBy(key, 1) => named(&["INCR"], &[*key]),
            Self::IncrBy(key, -1) => named(&["DECR"], &[*key]),
            Self::IncrBy(key, by) => with("INCRBY", *key, by.to_string().as_bytes()),
            Self::Expire(key, ttl) => with("PEXPIRE", *key, &number(*ttl)),
            Self::Persist(key) => named(&["PERSIST"], &[*key]),
            Self::Tag(key, one) => with("LARDER.TAG", *key, &tag(*one)),
            Self::Rename(from, to) => named(&["RENAME"], &[*from, *to]),
            Self::Copy { from, to, replace } => {
                let mut words = named(&["COPY"], &[*from, *to]);
                words.extend(replace.then(|| b"REPLACE".to_vec()));
                words
            }
            Self::SetMany(pairs) => {
                let pairs = pairs.iter().flat_map(|(key, value)| [name_of(*key).into(), value.clone()]);
                [b"MSET".to_vec()].into_iter().chain(pairs).collect()
            }
            Self::Remove { keys, verb } => named(&[verb], keys),
            Self::PurgeKeys(keys) => named(&["LARDER.PURGE", "KEY"], keys),
            Self::PurgeTag(one) => line(&[b"LARDER.PURGE", b"TAG", &tag(*one)]),
            Self::PurgePrefix(prefix) => line(&[b"LARDER.PURGE", b"PREFIX", prefix.as_bytes()]),
            Self::Flush => named(&["FLUSHDB"], &[]),
            Self::Swap => {
                let [one, other] = databases.map(|number| number.to_string());
                line(&[b"SWAPDB", one.as_bytes(), other.as_bytes()])
            }
        }
    }
}
