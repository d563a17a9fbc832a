//! `LARDER.PURGE`: invalidations by hand.

use larder_cache::Purge;

use super::failure::SYNTAX;
use super::outcome::{Call, Result};

pub(super) fn purge(call: &mut Call<'_, '_, '_>) -> Result {
    if call.args.is(1, "ALL") && call.args.len() == 2 {
        call.section.purge_everything();
        call.reply.int(1);
        return Ok(());
    }
    let kind: fn(&[u8]) -> Purge<'_> = match () {
        () if call.args.is(1, "KEY") => |name| Purge::Key(name),
        () if call.args.is(1, "TAG") => |name| Purge::Tag(name),
        () if call.args.is(1, "PREFIX") => |name| Purge::Prefix(name),
        () => return Err(SYNTAX),
    };
    let names = call.args.from(2);
    if names.len() == 0 {
        return Err(SYNTAX);
    }
    let database = call.session.database;
    let made = names.len();
    for name in names {
        call.section.purge(database, kind(name));
    }
    call.node.reclaim.notify_one();
    call.reply.int(made as i64);
    Ok(())
}
