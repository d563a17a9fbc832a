//! Reads ahead: while a command waits for the disk, those that were received behind it are looked at, so that the device has
//! the reads of a pipeline at once.

use super::arguments::Args;
use super::dispatch::keys_of;
use super::table::find;
use crate::server::node::Node;
use crate::server::session::Session;

/// Has what a command to come will read fetched along with what the present one waits for. The command runs in its turn and
/// looks for itself, whatever comes of this. False if there is no use in looking at those behind it.
pub fn foresee(node: &Node, session: &mut Session, args: Args<'_>) -> bool {
    let Some(command) = find(args.at(0)).filter(|command| command.accepts(args.len())) else { return true };
    // It may change what keys are behind it, by another database for one, or whether commands run at all.
    if command.keys.first == 0 {
        return false;
    }
    if matches!(command.name, "get" | "mget") {
        for key in keys_of(node, session.database, command, args) {
            node.cache.foresee(&key, &mut session.wanted);
        }
    }
    session.wanted.has_room_ahead()
}
