//! A session: what a connection has chosen and begun.

use std::sync::Arc;

use larder_cache::{Actor, Cursor, Database, Fetches, Wanted};

use super::clients::Client;
use super::transaction::{Transaction, Watching};
use crate::resp::Protocol;

/// Whether a client wants replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Replies {
    /// It does.
    #[default]
    On,
    /// None until it says otherwise.
    Off,
    /// Not for the next command.
    SkipNext,
    /// Not for this command.
    Skip,
}

/// Something that a command has begun and the connection finishes.
#[derive(Debug)]
pub enum Wait {
    /// Nothing happens for so many milliseconds.
    Sleep(u64),
    /// A sleep is over, and its command replies.
    Awoken,
    /// Key names are collected a slice at a time.
    Keys(Box<KeysWait>),
}

/// `KEYS` under way.
#[derive(Debug)]
pub struct KeysWait {
    /// Where the search goes on.
    pub cursor: Cursor,
    /// The database it searches.
    pub database: Database,
    /// What names have to match.
    pub pattern: Box<[u8]>,
    /// Names found, as bulk strings.
    pub found: crate::resp::Out,
    /// How many.
    pub count: usize,
}

/// One connection's state, as far as commands see it.
#[derive(Debug)]
pub struct Session {
    /// What the registry knows of this connection.
    pub client: Arc<Client>,
    /// Who that is to the cache.
    pub actor: Actor,
    /// The selected database.
    pub database: Database,
    /// The protocol version.
    pub protocol: Protocol,
    /// Whether a password is still owed.
    pub owes_password: bool,
    /// Whether reads do not count for eviction.
    pub no_touch: bool,
    /// Whether the connection closes after what is written now.
    pub closing: bool,
    /// Whether replies are wanted.
    pub replies: Replies,
    /// The transaction that MULTI began.
    pub transaction: Option<Box<Transaction>>,
    /// What WATCH watches.
    pub watching: Option<Box<Watching>>,
    /// What must be finished before the next command,
    pub wait: Option<Wait>,
    /// and whether its reply is not wanted.
    pub wait_is_silent: bool,
    /// What has to be fetched from disk before the next command can be answered,
    pub wanted: Wanted,
    /// how many keys that command has,
    pub wanted_keys: usize,
    /// and what was fetched.
    pub fetched: Fetches,
}

impl Session {
    /// The session of a new connection.
    #[must_use]
    pub fn new(client: Arc<Client>, owes_password: bool) -> Self {
        Self {
            actor: Actor { connection: client.id, process: 0, uid: client.uid },
            client,
            database: 0,
            protocol: Protocol::Two,
            owes_password,
            no_touch: false,
            closing: false,
            replies: Replies::On,
            transaction: None,
            watching: None,
            wait: None,
            wait_is_silent: false,
            wanted: Wanted::default(),
            wanted_keys: 0,
            fetched: Fetches::default(),
        }
    }

    /// Heap bytes that commands have left here.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let transaction = self.transaction.as_ref().map_or(0, |transaction| transaction.bytes);
        let watching = self.watching.as_ref().map_or(0, |watching| watching.bytes);
        let wait = match &self.wait {
            Some(Wait::Keys(keys)) => keys.found.len(),
            _ => 0,
        };
        transaction + watching + wait + self.fetched.bytes()
    }
}
