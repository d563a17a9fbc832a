//! `LARDER.SET`, `LARDER.TAG` and `LARDER.TAGS`: values that carry tags.

use larder_cache::{NewTags, Tags};

use super::failure::{Failure, SYNTAX};
use super::outcome::{Call, Result};

/// The tags among the arguments from a place on.
fn tags_from(call: &Call<'_, '_, '_>, place: usize) -> std::result::Result<Tags, Failure> {
    let mut tags = Tags::default();
    add_to(&mut tags, call.args.from(place))?;
    Ok(tags)
}

fn add_to<'a>(tags: &mut Tags, names: impl Iterator<Item = &'a [u8]>) -> std::result::Result<(), Failure> {
    for name in names {
        tags.add(name).map_err(|error| Failure::with(format!("ERR {error}")))?;
    }
    Ok(())
}

pub(super) fn set(call: &mut Call<'_, '_, '_>) -> Result {
    let end = (3..call.args.len()).find(|&place| call.args.is(place, "TAGS"));
    let tags = match end {
        Some(place) => {
            let announced = call.args.get(place + 1).ok_or(SYNTAX)?;
            let given = call.args.len() - (place + 2);
            if crate::resp::number::parse_i64(announced) != i64::try_from(given).ok() {
                return Err(Failure::new("ERR TAGS is followed by the number of tags and by as many tags"));
            }
            tags_from(call, place + 2)?
        }
        None => Tags::default(),
    };
    super::set::set_with(call, end.unwrap_or(call.args.len()), NewTags::These(&tags))
}

pub(super) fn tag(call: &mut Call<'_, '_, '_>) -> Result {
    let key = &call.keys[0];
    let Some(mut tags) = call.section.peek(key).map(|view| view.tags()) else {
        call.reply.flag(false);
        return Ok(());
    };
    add_to(&mut tags, call.args.from(2))?;
    let is_there = call.section.tag(key, &tags)?;
    call.reply.flag(is_there);
    Ok(())
}

pub(super) fn tags(call: &mut Call<'_, '_, '_>) -> Result {
    match call.section.peek(&call.keys[0]).map(|view| view.tags()) {
        None => call.reply.null(),
        Some(tags) => {
            call.reply.set(tags.iter().count());
            tags.iter().for_each(|tag| call.reply.bulk(tag));
        }
    }
    Ok(())
}
