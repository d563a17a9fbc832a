//! Settings that may change while we run: read by every worker, written by SIGHUP and `CONFIG SET`.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

use parking_lot::RwLock;

use crate::config::{Config, Family, Secret};

/// Live settings. Those without a setter never change.
#[derive(Debug)]
pub struct Settings {
    /// Longest value in bytes.
    pub max_value: AtomicU64,
    /// Most clients at a time.
    pub max_clients: AtomicU32,
    /// Seconds without a command after which a connection is closed; zero for never.
    pub idle_timeout_s: AtomicU64,
    /// Milliseconds that a drain may take.
    pub drain_timeout_ms: AtomicU64,
    /// Commands slower than so many microseconds go to the slow log; negative turns it off.
    pub slowlog_slower_than_us: AtomicI64,
    /// Entries that the slow log keeps.
    pub slowlog_max_len: AtomicU64,
    /// What tools set to have slow events recorded, in milliseconds. None are: it is kept to be told again.
    pub latency_threshold_ms: AtomicU64,
    policy: RwLock<(Family, String)>,
    password: RwLock<Option<Secret>>,
    allow_uids: RwLock<Vec<u32>>,
}

/// Redis's default: 10 ms.
const SLOWLOG_SLOWER_THAN_US: i64 = 10_000;
/// Redis's default.
const SLOWLOG_MAX_LEN: u64 = 128;

impl Settings {
    /// The settings of a configuration.
    #[must_use]
    pub fn new(config: &Config, max_clients: u32) -> Self {
        Self {
            max_value: AtomicU64::new(config.max_value),
            max_clients: AtomicU32::new(max_clients),
            idle_timeout_s: AtomicU64::new(config.idle_timeout.as_secs()),
            drain_timeout_ms: AtomicU64::new(config.drain_timeout.as_millis() as u64),
            slowlog_slower_than_us: AtomicI64::new(SLOWLOG_SLOWER_THAN_US),
            slowlog_max_len: AtomicU64::new(SLOWLOG_MAX_LEN),
            latency_threshold_ms: AtomicU64::new(0),
            policy: RwLock::new((config.maxmemory_policy, redis_name(config.maxmemory_policy).to_owned())),
            password: RwLock::new(config.password.clone()),
            allow_uids: RwLock::new(config.allow_uids.clone()),
        }
    }

    /// Takes over what a reread configuration says.
    pub fn adopt(&self, config: &Config, max_clients: u32) {
        self.max_value.store(config.max_value, Relaxed);
        self.max_clients.store(max_clients, Relaxed);
        self.idle_timeout_s.store(config.idle_timeout.as_secs(), Relaxed);
        self.drain_timeout_ms.store(config.drain_timeout.as_millis() as u64, Relaxed);
        self.set_policy(config.maxmemory_policy, redis_name(config.maxmemory_policy));
        self.password.write().clone_from(&config.password);
        self.allow_uids.write().clone_from(&config.allow_uids);
    }

    /// The eviction policy by the name that Redis has for it.
    #[must_use]
    pub fn policy_name(&self) -> String {
        self.policy.read().1.clone()
    }

    /// Remembers the policy, by the very name it was given.
    pub fn set_policy(&self, family: Family, name: &str) {
        *self.policy.write() = (family, name.to_ascii_lowercase());
    }

    /// Whether a connection owes a password: one is set, and the peer's user is not exempt.
    #[must_use]
    pub fn owes_password(&self, peer_uid: Option<u32>) -> bool {
        self.password.read().is_some() && !peer_uid.is_some_and(|uid| self.allow_uids.read().contains(&uid))
    }

    /// Whether any password is set.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.password.read().is_some()
    }

    /// Whether this is the password; true if none is set.
    #[must_use]
    pub fn password_matches(&self, candidate: &[u8]) -> bool {
        self.password.read().as_ref().is_none_or(|password| password.matches(candidate))
    }
}

/// What Redis calls a family's usual member.
#[must_use]
pub fn redis_name(family: Family) -> &'static str {
    match family {
        Family::AllKeys => "allkeys-lru",
        Family::Volatile => "volatile-lru",
        Family::NoEviction => "noeviction",
    }
}

/// What the engine does for a family.
#[must_use]
pub fn engine_policy(family: Family) -> larder_cache::Policy {
    match family {
        Family::AllKeys => larder_cache::Policy::AllKeys,
        Family::Volatile => larder_cache::Policy::Volatile,
        Family::NoEviction => larder_cache::Policy::NoEviction,
    }
}
