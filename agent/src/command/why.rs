//! `LARDER.WHY` and `LARDER.INFO`: what is known of a key, and of the cache, as maps.

use larder_cache::clock::Millis;
use larder_cache::{Departure, Why};

use super::outcome::{Call, Result};
use super::tiers::{self, Told};

/// A field of a map.
enum Field {
    Text(&'static str),
    Number(i64),
    Names(Vec<Vec<u8>>),
    Nothing,
}

fn write(call: &mut Call<'_, '_, '_>, fields: Vec<(&'static str, Field)>) {
    call.reply.map(fields.len());
    for (name, field) in fields {
        call.reply.bulk(name.as_bytes());
        match field {
            Field::Text(text) => call.reply.bulk(text.as_bytes()),
            Field::Number(number) => call.reply.int(number),
            Field::Names(names) => {
                call.reply.array(names.len());
                names.iter().for_each(|name| call.reply.bulk(name));
            }
            Field::Nothing => call.reply.null(),
        }
    }
}

fn number(number: Option<i64>) -> Field {
    number.map_or(Field::Nothing, Field::Number)
}

/// What became of a key without an entry, and by which invalidation.
fn absence(why: &Why) -> (&'static str, Option<u64>) {
    match why.departure {
        Some((Departure::Evicted, _)) => ("evicted", None),
        Some((Departure::Refused, _)) => ("refused by admission", None),
        Some((Departure::Expired, _)) => ("expired", None),
        Some((Departure::Deleted, _)) => ("deleted", None),
        Some((Departure::Invalidated(by), _)) => ("invalidated", Some(by)),
        Some((Departure::FillRefused(by), _)) => ("refused as a raced fill", Some(by)),
        None if why.has_forgotten || why.arrival.is_some() => ("no longer known", None),
        None => ("never seen", None),
    }
}

pub(super) fn why(call: &mut Call<'_, '_, '_>) -> Result {
    let now = call.now();
    let why = call.section.why(&call.keys[0]);
    let ago = |at: Millis| now.0.saturating_sub(at.0) as i64;
    let mut fields = Vec::new();
    match &why.entry {
        Some(entry) => fields.extend([
            ("state", Field::Text("present")),
            ("tier", Field::Text(if entry.is_on_disk { "disk" } else { "memory" })),
            ("value_bytes", Field::Number(entry.value_bytes as i64)),
            ("bytes", Field::Number(entry.bytes as i64)),
            ("ttl_ms", number(entry.deadline.map(|at| at.0.saturating_sub(now.0) as i64))),
            ("tags", Field::Names(entry.tags.iter().map(<[u8]>::to_vec).collect())),
            ("reads", Field::Number(i64::from(entry.reads))),
            ("stored_ms_ago", number(why.arrival.map(|arrival| ago(arrival.at)))),
            ("stored_by_client", number(why.arrival.map(|arrival| arrival.by as i64))),
        ]),
        None => {
            let (reason, by) = absence(&why);
            fields.extend([
                ("state", Field::Text("absent")),
                ("reason", Field::Text(reason)),
                ("since_ms_ago", number(why.departure.map(|(_, at)| ago(at)))),
                ("by_invalidation", number(by.map(|by| by as i64))),
            ]);
        }
    }
    fields.extend([
        ("last_invalidation", number(why.invalidation.map(|found| found.sequence as i64))),
        ("last_invalidation_ms_ago", number(why.invalidation.map(|found| ago(found.at)))),
    ]);
    write(call, fields);
    Ok(())
}

pub(super) fn info(call: &mut Call<'_, '_, '_>) -> Result {
    let now = call.now();
    let figures = call.section.figures();
    let stats = call.section.stats();
    let disk = call.section.disk_figures();
    let book = call.section.fill_book();
    let on_disk = disk.as_ref().map_or(0, |disk| disk.entries);
    let (latest, remembered, merged) = call.node.cache.invalidations();
    let mut fields = vec![
        ("version", Field::Text(env!("CARGO_PKG_VERSION"))),
        ("entries", Field::Number(figures.entries as i64)),
        ("memory_used_bytes", Field::Number(figures.used as i64)),
        ("memory_limit_bytes", Field::Number(figures.limit as i64)),
        ("memory_entries", Field::Number(figures.entries.saturating_sub(on_disk) as i64)),
        ("memory_hits", Field::Number(stats.hits.saturating_sub(stats.disk_hits) as i64)),
        ("misses", Field::Number(stats.misses as i64)),
        ("invalidations", Field::Number(latest.map_or(0, |latest| latest.sequence as i64))),
        ("invalidations_remembered", Field::Number(remembered as i64)),
        ("invalidations_merged", Field::Number(merged as i64)),
        ("last_invalidation_ms_ago", number(latest.map(|latest| now.0.saturating_sub(latest.at.0) as i64))),
        ("entries_invalidated", Field::Number(stats.invalidated as i64)),
        ("fills_refused", Field::Number(stats.fills_refused as i64)),
        ("fills_unmatched", Field::Number(stats.fills_unmatched as i64)),
        ("fill_book_bytes", Field::Number(book.bytes as i64)),
        ("fill_book_forgotten", Field::Number(book.forgotten as i64)),
    ];
    let told = tiers::fields(call.node.disk, &stats, disk.as_ref());
    fields.extend(told.into_iter().map(|(name, told)| match told {
        Told::Text(word) => (name, Field::Text(word)),
        Told::Number(number) => (name, Field::Number(number as i64)),
    }));
    write(call, fields);
    Ok(())
}
