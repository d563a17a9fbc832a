//! `MULTI`, `EXEC`, `DISCARD`, `WATCH`, `UNWATCH`.

use std::sync::atomic::Ordering::Relaxed;

use larder_cache::{Key, Section};

use super::dispatch::{call as run_in, keys_of};
use super::failure::Failure;
use super::need::need_of;
use super::outcome::{Call, Result};
use super::table::Flags;
use crate::server::node::Node;
use crate::server::session::Session;
use crate::server::transaction::{Transaction, Watched, Watching};

pub(super) fn multi(call: &mut Call<'_, '_, '_>) -> Result {
    if let Some(transaction) = &mut call.session.transaction {
        transaction.is_dirty = true;
        return Err(Failure::new("ERR MULTI calls can not be nested"));
    }
    call.session.transaction = Some(Box::default());
    call.reply.ok();
    Ok(())
}

/// Forgets the transaction and the watches.
pub(super) fn abandon(node: &Node, session: &mut Session) {
    session.transaction = None;
    session.client.queued.store(-1, Relaxed);
    forget_watches(node, session);
}

/// Takes all watches off.
pub fn forget_watches(node: &Node, session: &mut Session) {
    if let Some(watching) = session.watching.take() {
        watching.end(&node.cache);
        session.client.watched.store(0, Relaxed);
    }
}

pub(super) fn discard(call: &mut Call<'_, '_, '_>) -> Result {
    if call.session.transaction.is_none() {
        return Err(Failure::new("ERR DISCARD without MULTI"));
    }
    abandon(call.node, call.session);
    call.reply.ok();
    Ok(())
}

pub(super) fn watch(call: &mut Call<'_, '_, '_>) -> Result {
    if let Some(transaction) = &mut call.session.transaction {
        transaction.is_dirty = true;
        return Err(Failure::new("ERR WATCH inside MULTI is not allowed"));
    }
    let watching = call.session.watching.get_or_insert_with(Box::<Watching>::default);
    for key in call.keys {
        call.section.watch(key, &watching.watch);
        watching.add(Watched { database: key.database(), name: key.bytes().into() });
    }
    call.session.client.watched.store(watching.keys.len(), Relaxed);
    call.reply.ok();
    Ok(())
}

pub(super) fn unwatch(call: &mut Call<'_, '_, '_>) -> Result {
    // Inside EXEC there is nothing left to forget, and the locks are held.
    if !call.in_transaction {
        forget_watches(call.node, call.session);
    }
    call.reply.ok();
    Ok(())
}

pub(super) fn exec(call: &mut Call<'_, '_, '_>) -> Result {
    let Some(transaction) = call.session.transaction.take() else {
        return Err(Failure::new("ERR EXEC without MULTI"));
    };
    call.session.client.queued.store(-1, Relaxed);
    if transaction.is_dirty {
        forget_watches(call.node, call.session);
        return Err(Failure::new("EXECABORT Transaction discarded because of previous errors."));
    }
    let watching = call.session.watching.take();
    call.session.client.watched.store(0, Relaxed);
    let is_stale = {
        let mut section = enter(call, &transaction, watching.as_deref());
        if !prepare_all(call, &mut section, &transaction) {
            // Nothing waits inside: it begins again when what it needs was fetched.
            call.session.wanted = section.wanted();
            call.session.client.queued.store(transaction.queue.len() as i64, Relaxed);
            let watched = watching.as_ref().map_or(0, |watching| watching.keys.len());
            call.session.client.watched.store(watched, Relaxed);
            (call.session.transaction, call.session.watching) = (Some(transaction), watching);
            return Ok(());
        }
        let is_stale = watching.as_ref().is_some_and(|watching| {
            // Whatever expired since WATCH raises the watch when it is looked at.
            for watched in &watching.keys {
                let key = section.key(watched.database, &watched.name);
                let _ = section.exists(&key);
            }
            watching.watch.is_raised()
        });
        if !is_stale {
            run_all(call, &mut section, &transaction);
        }
        is_stale
    };
    if let Some(watching) = watching {
        watching.end(&call.node.cache);
    }
    if is_stale {
        call.reply.null_array();
    }
    Ok(())
}

/// Locks what the transaction needs: the shards of its keys, or all if a command of it has none.
fn enter<'c>(call: &Call<'_, '_, 'c>, transaction: &Transaction, watching: Option<&Watching>) -> Section<'c> {
    let node = call.node;
    let needs_all = |flags: Flags, first: i32| flags.has(Flags::WHOLE) || first == 0;
    if transaction.queue.iter().any(|queued| needs_all(queued.command.flags, queued.command.keys.first)) {
        return node.cache.section_over_all(call.now());
    }
    loop {
        let mut keys: Vec<Key<'_>> = transaction
            .queue
            .iter()
            .flat_map(|queued| keys_of(node, call.session.database, queued.command, queued.args()))
            .collect();
        if let Some(watching) = watching {
            keys.extend(watching.keys.iter().map(|watched| node.cache.key(watched.database, &watched.name)));
        }
        if keys.is_empty() {
            return node.cache.section_over_all(call.now());
        }
        if let Ok(section) = node.cache.section(&keys, call.now()) {
            return section;
        }
    }
}

/// Brings to hand what the commands need of their keys; false if something has to be fetched first.
fn prepare_all(call: &Call<'_, '_, '_>, section: &mut Section<'_>, transaction: &Transaction) -> bool {
    if !call.node.cache.has_disk() {
        return true;
    }
    section.lend(&call.session.fetched);
    let mut is_ready = true;
    for queued in &transaction.queue {
        let keys = keys_of(call.node, call.session.database, queued.command, queued.args());
        is_ready &= need_of(queued.command, queued.args()).prepare(section, &keys);
    }
    is_ready
}

fn run_all<'c>(call: &mut Call<'_, '_, 'c>, section: &mut Section<'c>, transaction: &Transaction) {
    call.reply.array(transaction.queue.len());
    for queued in &transaction.queue {
        let out = &mut *call.reply.out;
        if out.has_overflowed() && !queued.command.flags.has(Flags::WRITE) {
            // The client is lost: nobody will read this any more.
            continue;
        }
        let mark = out.mark();
        let keys = keys_of(call.node, call.session.database, queued.command, queued.args());
        let result =
            run_in(call.node, call.session, section, queued.command, queued.args(), &keys, out, true);
        if let Err(failure) = result {
            out.rewind(mark);
            out.error(&failure.0);
        }
        call.reply.protocol = call.session.protocol;
    }
}
