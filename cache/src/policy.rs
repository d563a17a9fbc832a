//! What may be evicted when memory is full.

/// The eviction policy. Which of the entries it allows go first is for the cache to learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// Any entry may be evicted.
    #[default]
    AllKeys,
    /// Only entries with a TTL may; when none is left, writes fail.
    Volatile,
    /// None may; when memory is full, writes fail.
    NoEviction,
}
