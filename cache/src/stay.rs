//! A stay: the lock of one shard, kept from one section to the next while they all work there.
//!
//! Several workers that read or write one popular key spend most of their time on passing its lock from core to core. Who
//! runs a batch of commands keeps it instead for as long as the next command needs the same one.

use crate::cache::{Cache, Room};
use crate::clock::Millis;
use crate::held::Held;
use crate::key::Key;
use crate::section::{Moved, Section};

/// Sections that may follow each other under one lock before others get their turn.
const SECTIONS_MAX: u8 = 32;

/// Keeps the lock of the shard last visited. Made by [`Cache::stay`].
///
/// While it is held, whoever holds it asks nothing of the cache but through this: the cache would wait for a lock that
/// does not come free. [`release`](Self::release) before anything else.
#[derive(Debug)]
pub struct Stay<'c> {
    cache: &'c Cache,
    held: Option<(usize, Held<'c>)>,
    left: u8,
    steps_back: bool,
}

/// Why a section could not be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// The key's database was flushed or exchanged after the key was hashed: hash it again.
    Moved,
    /// Somebody else holds the shard, and there may be something better to do than to wait: see [`Stay::step_back`].
    Taken,
}

impl<'c> Stay<'c> {
    pub(crate) fn new(cache: &'c Cache) -> Self {
        Self { cache, held: None, left: 0, steps_back: false }
    }

    /// Has the next section answer [`Barred::Taken`] rather than wait for a shard that somebody else holds.
    #[inline]
    pub fn step_back(&mut self, steps_back: bool) {
        self.steps_back = steps_back;
    }

    /// Enters a section over one key, under the lock that is held if it is the right one.
    ///
    /// # Errors
    /// [`Barred`] says which, and what to do.
    #[inline]
    pub fn section(&mut self, key: &Key<'_>, now: Millis) -> Result<Section<'c>, Barred> {
        let number = self.cache.shard_of(key);
        let held = match self.held.take() {
            Some((kept, held)) if kept == number && self.left > 0 => held,
            other => {
                drop(other);
                self.left = SECTIONS_MAX;
                let shard = &self.cache.shards[number];
                match Held::try_lock(shard) {
                    Some(held) => held,
                    None if self.steps_back => return Err(Barred::Taken),
                    None => Held::lock(shard),
                }
            }
        };
        self.steps_back = false;
        self.left -= 1;
        Section::under(self.cache, held, key, now).map_err(|Moved| Barred::Moved)
    }

    /// Leaves a section and keeps its lock.
    #[inline]
    pub fn keep(&mut self, section: Section<'c>, key: &Key<'_>) {
        self.held = section.leave().map(|held| (self.cache.shard_of(key), held));
    }

    /// Gives the lock back.
    #[inline]
    pub fn release(&mut self) {
        self.held = None;
    }

    /// As [`Cache::make_room`], giving the lock back if that takes any work.
    #[inline]
    pub fn make_room(&mut self, bytes: usize, now: Millis) -> Room {
        if self.cache.has_room(bytes) {
            return Room::Made;
        }
        self.release();
        self.cache.make_room(bytes, now)
    }
}
