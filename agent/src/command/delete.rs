//! `DEL` and `UNLINK`, which are one: memory is freed in the background either way.

use super::outcome::{Call, Result};

pub(super) fn del(call: &mut Call<'_, '_, '_>) -> Result {
    let removed = call.keys.iter().filter(|key| call.section.remove(key)).count();
    call.reply.int(removed as i64);
    Ok(())
}
