//! What keeps names and values secret in the file, if somebody gives it.

use std::fmt::Debug;
use std::sync::Arc;

/// Encrypts the names and control values of records. Hashes are keyed and stay as they are.
pub trait Sealer: Debug + Send + Sync {
    /// Appends `plain`, sealed, to `sealed`: at most [`SEALER_OVERHEAD_MAX`] bytes longer. `context` is to be authenticated
    /// with it, and must be the same when it is opened.
    fn seal(&self, context: &[u8], plain: &[u8], sealed: &mut Vec<u8>);

    /// Appends what was sealed to `plain`; false if it was not sealed with this key for this context.
    fn open(&self, context: &[u8], sealed: &[u8], plain: &mut Vec<u8>) -> bool;
}

/// Bytes that sealing may add to what it seals.
pub const SEALER_OVERHEAD_MAX: usize = 256;

/// The sealer, if there is one, and what binds its work to this store.
#[derive(Clone, Debug)]
pub(super) struct Secrecy {
    pub(super) sealer: Option<Arc<dyn Sealer>>,
    pub(super) incarnation: u64,
}

impl Secrecy {
    /// Of the store and the kind of record; not of the place, so that compaction copies records as they are.
    fn context(&self, kind: u8) -> [u8; 9] {
        let mut context = [kind; 9];
        context[..8].copy_from_slice(&self.incarnation.to_le_bytes());
        context
    }

    pub(super) fn put(&self, kind: u8, parts: [&[u8]; 2], out: &mut Vec<u8>) {
        match &self.sealer {
            None => parts.iter().for_each(|part| out.extend_from_slice(part)),
            Some(sealer) => sealer.seal(&self.context(kind), &parts.concat(), out),
        }
    }

    /// What was put; `None` if it cannot be opened.
    pub(super) fn get<'a>(&self, kind: u8, stored: &'a [u8], plain: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let Some(sealer) = &self.sealer else { return Some(stored) };
        plain.clear();
        sealer.open(&self.context(kind), stored, plain).then_some(plain.as_slice())
    }
}
