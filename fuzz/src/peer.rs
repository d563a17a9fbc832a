//! A node and a client of it, as a server has them: all is real but the wire between.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock};

use larder_agent::command::{Args, Verdict, execute, forget_watches, step_keys, write_keys};
use larder_agent::config::{Config, Family, Invocation, load};
use larder_agent::resp::{Out, Protocol, Reply};
use larder_agent::server::clients::{Client, Known};
use larder_agent::server::node::Node;
use larder_agent::server::session::{Session, Wait};
use larder_agent::server::stream::{RawStream, Stream};
use larder_cache::clock::{boot_nanos, now};

/// The password, where one is asked for.
pub const PASSWORD: &str = "sesame";
/// A command that is still told to wait after so many offers never runs.
const OFFERS_MAX: usize = 2_000;
/// Bytes that a command's replies may always take, as in a connection.
const REPLY_BYTES: usize = 128 * 1024;
/// How long memory is freed between two offers, in nanoseconds.
const RECLAIM_NANOS: u64 = 500_000;

/// Settings without a password, and with one.
static CONFIGS: LazyLock<[Config; 2]> = LazyLock::new(|| {
    let config = |more: &[OsString]| {
        let mut args: Vec<OsString> = ["larder-agent", "--memory=8MiB", "--databases=4", "--debug-commands"]
            .map(OsString::from)
            .to_vec();
        args.extend_from_slice(more);
        match load(args, []).expect("settings that hold").invocation {
            Invocation::Serve(config) => *config,
            other => panic!("asked to serve, got {other:?}"),
        }
    };
    let file = std::env::temp_dir().join(format!("larder-fuzz-{}", std::process::id()));
    std::fs::write(&file, PASSWORD).expect("a file for the password");
    let mut flag = OsString::from("--password-file=");
    flag.push(&file);
    let with_password = config(&[flag]);
    std::fs::remove_file(&file).expect("the file that was just written");
    [config(&[]), with_password]
});

/// A new node of 8 MiB and four databases. Call it within a runtime.
#[must_use]
pub fn node(has_password: bool, policy: Family) -> Node {
    let mut config = CONFIGS[usize::from(has_password)].clone();
    config.maxmemory_policy = policy;
    let storage = larder_agent::server::storage::Storage::in_memory(&config);
    Node::new(config, 100, storage)
}

/// One client.
pub struct Peer<'n> {
    node: &'n Node,
    /// What it has chosen and begun.
    pub session: Session,
    _far_end: std::os::unix::net::UnixStream,
}

/// What a command has led to.
#[derive(Debug)]
pub struct Answer {
    /// What was written.
    pub bytes: Vec<u8>,
    /// Whether the command has begun a wait that is not over.
    pub waits: bool,
    /// Whether the reply was too long, so that the connection is closed without it.
    pub overflowed: bool,
}

impl<'n> Peer<'n> {
    /// Connects. Call it within a runtime.
    ///
    /// # Panics
    /// If the system has no socket left.
    #[must_use]
    pub fn connect(node: &'n Node, protocol: Protocol) -> Self {
        let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        near.set_nonblocking(true).expect("a socket that does not block");
        assert!(node.clients.admit(100), "who left was not counted out");
        let stream = Stream::register(RawStream::Unix(near)).expect("a runtime that watches sockets");
        let [address, local_address] = ["fuzz:0"; 2].map(str::to_owned);
        let known = Known { address, local_address, uid: None, send_buffer: 0 };
        let client = Arc::new(Client::new(node.clients.next_id(), stream, known));
        client.protocol.store(if protocol == Protocol::Three { 3 } else { 2 }, Relaxed);
        node.clients.add(&client);
        let mut session = Session::new(client, node.settings.owes_password(None));
        session.protocol = protocol;
        Self { node, session, _far_end: far }
    }

    /// Whether the connection ends after this command.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.session.closing || self.session.client.killed.load(Relaxed)
    }

    /// Runs a command as a connection does, however often it has to be offered.
    ///
    /// # Panics
    /// If it is never taken, or writes before it is.
    pub fn offer(&mut self, args: Args<'_>) -> Answer {
        let mut out = Out::default();
        out.set_limit(self.node.reply_limit().max(REPLY_BYTES));
        let mut offers = 0;
        loop {
            let clock = boot_nanos();
            let tally = &self.node.tallies[0];
            let (verdict, after) = execute(
                self.node,
                &mut self.node.cache.stay(),
                &mut self.session,
                tally,
                args,
                &mut out,
                clock,
            );
            assert!(after >= clock, "time goes back");
            if verdict == Verdict::Done {
                break;
            }
            assert!(out.is_empty(), "it replied although it did not run");
            offers += 1;
            assert!(offers < OFFERS_MAX, "it is put off for ever: {verdict:?}");
            if let Verdict::Paused(ms) = verdict {
                assert!(ms > 0, "a pause that is over");
                self.node.pause.end();
            } else {
                self.node.cache.reclaim(now(), RECLAIM_NANOS);
            }
        }
        let waits = self.finish_wait(&mut out);
        let overflowed = out.has_overflowed();
        let mut pieces = VecDeque::new();
        out.move_rest(0, &mut pieces);
        Answer { bytes: pieces.iter().flatten().copied().collect(), waits, overflowed }
    }

    /// Finishes what a command has begun, but for sleeps, which are let be. Returns whether that means no reply.
    fn finish_wait(&mut self, out: &mut Out) -> bool {
        let Some(wait) = self.session.wait.take() else { return false };
        assert!(out.is_empty(), "it replied before its wait was over");
        let Wait::Keys(mut wait) = wait else { return true };
        let (cache, database) = (&self.node.cache, wait.database);
        wait.found.set_limit(self.node.reply_limit());
        while !step_keys(&mut wait, |cursor, wanted, show| {
            let (next, _) =
                cache.scan(database, cursor, wanted, now(), &larder_cache::Fetches::default(), show);
            (next, false)
        }) {}
        if self.session.wait_is_silent {
            return true;
        }
        write_keys(&mut wait, &mut Reply { out, protocol: self.session.protocol });
        false
    }
}

impl Drop for Peer<'_> {
    fn drop(&mut self) {
        forget_watches(self.node, &mut self.session);
        self.node.clients.remove(self.session.client.id);
    }
}
