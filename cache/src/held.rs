//! A shard that is held: its lock, and what happens if whoever holds it panics.

use std::ops::{Deref, DerefMut};

use parking_lot::{Mutex, MutexGuard};

use crate::shard::Shard;

/// A shard and its lock, on cache lines (and the pairs of them that are fetched together) of their own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Guarded(Mutex<Shard>);

impl Guarded {
    pub(crate) fn new(shard: Shard) -> Self {
        Self(Mutex::new(shard))
    }
}

/// A locked shard. A panic while it is held may leave it half changed, and then nothing it says can be trusted: it loses
/// its entries, which a cache may, rather than tell one wrong.
#[derive(Debug)]
pub(crate) struct Held<'c>(MutexGuard<'c, Shard>);

impl<'c> Held<'c> {
    #[inline]
    pub(crate) fn lock(shard: &'c Guarded) -> Self {
        Self(shard.0.lock())
    }

    /// The same, unless somebody else holds it.
    #[inline]
    pub(crate) fn try_lock(shard: &'c Guarded) -> Option<Self> {
        shard.0.try_lock().map(Self)
    }
}

impl Deref for Held<'_> {
    type Target = Shard;

    #[inline]
    fn deref(&self) -> &Shard {
        &self.0
    }
}

impl DerefMut for Held<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Shard {
        &mut self.0
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use crate::clock::now;
    use crate::{Cache, Config, Deadline, NewValue};

    #[test]
    fn a_panic_empties_the_shard_and_nothing_else_breaks() {
        let cache = Cache::new(Config::default());
        let key = cache.key(0, b"key");
        let store = |value: &[u8]| {
            let mut section = cache.section(&[key], now()).expect("nothing moved");
            section.set(&key, NewValue::Copied(value), Deadline::None).expect("there is room");
        };
        store(b"before");
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut section = cache.section(&[key], now()).expect("nothing moved");
            let _ = section.edit(&key, 6, |_| panic!("on purpose"));
        }));
        assert!(panicked.is_err());
        let read =
            || cache.section(&[key], now()).expect("nothing moved").get(&key).map(|view| view.value.to_vec());
        assert_eq!(read(), None);
        assert_eq!(cache.stats().abandoned, 1);
        store(b"after");
        assert_eq!(read().as_deref(), Some(&b"after"[..]));
    }
}
