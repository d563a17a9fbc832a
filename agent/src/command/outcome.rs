//! What a command is given, and what becomes of it.

use larder_cache::{Key, Section};

use super::arguments::Args;
use super::failure::Failure;
use crate::resp::Reply;
use crate::server::node::Node;
use crate::server::session::Session;

/// A command either replied, or failed with what to reply instead.
pub type Result = std::result::Result<(), Failure>;

/// Everything that a command may touch.
#[derive(Debug)]
pub struct Call<'a, 's, 'c> {
    /// Its arguments, the name first.
    pub args: Args<'a>,
    /// Its keys, hashed, in the order of the arguments.
    pub keys: &'a [Key<'a>],
    /// The atomic section: over its keys, over everything or over nothing, as the table says.
    pub section: &'s mut Section<'c>,
    /// The client that asks.
    pub session: &'s mut Session,
    /// What all clients share.
    pub node: &'c Node,
    /// Where the reply goes.
    pub reply: Reply<'s>,
    /// Whether this runs inside EXEC.
    pub in_transaction: bool,
}

impl Call<'_, '_, '_> {
    /// The moment that this command takes for the present.
    #[must_use]
    pub fn now(&self) -> larder_cache::clock::Millis {
        self.section.now()
    }
}
