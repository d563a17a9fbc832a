//! `MEMORY`: what memory is used for.

use super::failure::SYNTAX;
use super::hello::lacks_subcommand;
use super::outcome::{Call, Result};

/// An entry's share of the index: eight bytes at a usual load of three quarters.
const INDEX_SHARE: usize = 11;

pub(super) fn container(call: &mut Call<'_, '_, '_>) -> Result {
    Err(lacks_subcommand(call))
}

pub(super) fn usage(call: &mut Call<'_, '_, '_>) -> Result {
    for place in (3..call.args.len()).step_by(2) {
        if !call.args.is(place, "SAMPLES") || call.args.get(place + 1).is_none() {
            return Err(SYNTAX);
        }
        // A string needs no samples to be measured.
        if call.args.int(place + 1)? < 0 {
            return Err(SYNTAX);
        }
    }
    match call.section.peek(&call.keys[0]) {
        None => call.reply.null(),
        Some(view) => call.reply.int((view.bytes() + INDEX_SHARE) as i64),
    }
    Ok(())
}

pub(super) fn stats(call: &mut Call<'_, '_, '_>) -> Result {
    let figures = call.section.figures();
    let numbers = [
        ("total.allocated", figures.used),
        ("startup.allocated", 0),
        ("clients.normal", call.node.buffers.held()),
        ("overhead.total", figures.used - figures.live.min(figures.used)),
        ("keys.count", figures.entries as usize),
        ("keys.bytes-per-key", figures.used.checked_div(figures.entries as usize).unwrap_or(0)),
        ("dataset.bytes", figures.live),
    ];
    let disk = call.section.disk_figures();
    let of_disk = disk
        .map(|disk| [("disk.entries", disk.entries as usize), ("disk.ledger", disk.ledger_bytes as usize)]);
    let of_disk = of_disk.iter().flatten().copied();
    call.reply.map(numbers.len() + of_disk.clone().count());
    for (name, number) in numbers.into_iter().chain(of_disk) {
        call.reply.bulk(name.as_bytes());
        call.reply.int(number as i64);
    }
    Ok(())
}

pub(super) fn purge(call: &mut Call<'_, '_, '_>) -> Result {
    call.node.reclaim.notify_one();
    call.reply.ok();
    Ok(())
}

pub(super) fn doctor(call: &mut Call<'_, '_, '_>) -> Result {
    let report = match call.node.disk.label(call.node.cache.is_disk_down()) {
        "degraded" => {
            "The disk tier could not be opened at the start, see the log: entries that leave memory are lost."
        }
        "down" => {
            "The disk tier takes nothing at the moment, see the log: entries that leave memory are lost."
        }
        _ => "Nothing to report.",
    };
    call.reply.verbatim(&format!("Memory is limited by bytes, overhead included. {report}\n"));
    Ok(())
}

pub(super) fn help(call: &mut Call<'_, '_, '_>) -> Result {
    super::command_info::help_of(call, "memory");
    Ok(())
}
