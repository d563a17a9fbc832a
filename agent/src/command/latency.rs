//! `LATENCY`: how long commands took. No latency events are recorded, so what asks for them finds none.

use super::failure::{Failure, shown};
use super::hello::lacks_subcommand;
use super::outcome::{Call, Result};
use super::table::{COMMANDS, Command, find};
use crate::metrics::tally::LATENCY_BOUNDS_NS;

pub(super) fn container(call: &mut Call<'_, '_, '_>) -> Result {
    Err(lacks_subcommand(call))
}

pub(super) fn latest(call: &mut Call<'_, '_, '_>) -> Result {
    call.reply.array(0);
    Ok(())
}

pub(super) fn history(call: &mut Call<'_, '_, '_>) -> Result {
    call.reply.array(0);
    Ok(())
}

pub(super) fn graph(call: &mut Call<'_, '_, '_>) -> Result {
    let event = shown(call.args.at(2));
    Err(Failure::with(format!("ERR No samples available for event '{event}'")))
}

pub(super) fn reset(call: &mut Call<'_, '_, '_>) -> Result {
    call.reply.int(0);
    Ok(())
}

pub(super) fn doctor(call: &mut Call<'_, '_, '_>) -> Result {
    call.reply.verbatim(
        "No latency events are recorded, whatever latency-monitor-threshold says. LATENCY HISTOGRAM and the metrics page \
         tell how long commands take, SLOWLOG GET which ones were slow.\n",
    );
    Ok(())
}

pub(super) fn histogram(call: &mut Call<'_, '_, '_>) -> Result {
    let wanted: Vec<&'static Command> = if call.args.len() == 2 {
        COMMANDS.iter().collect()
    } else {
        call.args.from(2).filter_map(find).collect()
    };
    let mut found = Vec::new();
    let mut is_told = vec![false; COMMANDS.len()];
    for command in wanted {
        let Some(row) = command.row() else { continue };
        if std::mem::replace(&mut is_told[row], true) {
            continue;
        }
        let calls = call.node.sum(|tally| tally.commands[row].calls());
        if calls == 0 {
            continue;
        }
        let mut so_far = 0;
        let mut buckets = Vec::new();
        for (place, bound) in LATENCY_BOUNDS_NS.iter().enumerate() {
            let here = call.node.sum(|tally| tally.commands[row].buckets[place].get());
            so_far += here;
            if here > 0 {
                buckets.push((bound.div_ceil(1000), so_far));
            }
        }
        found.push((command.name, calls, buckets));
    }
    call.reply.map(found.len());
    for (name, calls, buckets) in found {
        call.reply.bulk(name.as_bytes());
        call.reply.map(2);
        call.reply.bulk(b"calls");
        call.reply.int(calls as i64);
        call.reply.bulk(b"histogram_usec");
        call.reply.map(buckets.len());
        for (micros, count) in buckets {
            call.reply.int(micros as i64);
            call.reply.int(count as i64);
        }
    }
    Ok(())
}

pub(super) fn help(call: &mut Call<'_, '_, '_>) -> Result {
    super::command_info::help_of(call, "latency");
    Ok(())
}
