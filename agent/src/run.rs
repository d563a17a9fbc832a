//! Running: wires the rooms together, obeys signals, drains.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::Context;
use larder_cache::clock::now;
use rustix::net::Shutdown;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::log::Level;
use crate::metrics;
use crate::server::lingering::keep_looking;
use crate::server::listen::{Listener, accept_all, open_tcp, open_unix};
use crate::server::node::Node;
use crate::server::settings::engine_policy;
use crate::server::storage::Storage;
use crate::server::worker::Worker;

/// How often idle clients are looked for.
const IDLE_CHECK: Duration = Duration::from_secs(1);
/// How often it is looked whether idle clients matter by now.
const IDLE_CHECK_OFF: Duration = Duration::from_secs(5);
/// How long a metrics address that was taken is left alone.
const METRICS_RETRY: Duration = Duration::from_secs(10);
/// How often a drain looks whether the last client has gone.
const DRAIN_CHECK: Duration = Duration::from_millis(5);

/// Serves until SIGTERM, SIGINT or SHUTDOWN, then drains.
///
/// # Errors
/// If a socket, a thread or an event queue cannot be had.
pub fn run(config: Config, level: &Level) -> anyhow::Result<()> {
    let max_clients = raise_file_limit(&config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(serve(config, max_clients, level))
}

/// Raises the limit of open files to what is allowed; returns how many clients that serves.
fn raise_file_limit(config: &Config) -> u32 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let (clients, warning) = config.effective_clients(current.unwrap_or(u64::MAX));
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    clients
}

async fn serve(config: Config, max_clients: u32, level: &Level) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;

    let unix = open_unix(&config.socket, config.socket_mode)?;
    let socket = SocketFile::new(&config.socket);
    let tcp = config.tcp.map(open_tcp).transpose()?;
    let storage = Storage::open(&config).await?;
    let node = Arc::new(Node::new(config, max_clients, storage));
    let tending = {
        let node = Arc::clone(&node);
        tokio::spawn(async move { node.cache.tend().await })
    };

    let workers: Arc<Vec<Worker>> = Arc::new(
        (0..node.tallies.len())
            .map(|number| Worker::start(&node, number))
            .collect::<Result<Vec<_>, _>>()
            .context("a worker could not be started")?,
    );
    let mut acceptors = vec![accept(&node, Kind::Unix(unix), &workers)];
    if let Some(tcp) = tcp {
        let listener: std::net::TcpListener = tcp.into();
        let address = listener.local_addr().context("the TCP socket has no address")?;
        node.tcp_port.store(i64::from(address.port()), Relaxed);
        tracing::info!(%address, "serving on TCP");
        acceptors.push(accept(&node, Kind::Tcp(listener.into()), &workers));
    }
    match open_metrics(&node).await {
        Some(listener) => drop(tokio::spawn(metrics::http::serve(Arc::clone(&node), listener))),
        None if node.config.metrics.is_some() => drop(tokio::spawn(serve_metrics_later(Arc::clone(&node)))),
        None => {}
    }
    tokio::spawn(close_idle(Arc::clone(&node)));
    tokio::spawn(keep_looking(Arc::clone(&node)));
    tracing::info!(
        socket = %node.config.socket.display(),
        memory = node.config.memory,
        origin = node.config.memory_origin,
        policy = node.settings.policy_name(),
        workers = node.config.workers,
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );

    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = node.stop.notified() => break,
            _ = hangup.recv() => reload(&node, level),
        }
    }
    let begun = Instant::now();
    drain(&node, acceptors, socket).await;
    if let Some(workers) = Arc::into_inner(workers) {
        workers.into_iter().for_each(Worker::stop);
    }
    tending.abort();
    // It was aborted: that is what it ends with.
    let _ = tending.await;
    seal(&node, begun).await;
    tracing::info!("stopped");
    Ok(())
}

enum Kind {
    Unix(std::os::fd::OwnedFd),
    Tcp(std::os::fd::OwnedFd),
}

/// Accepts on the first worker's runtime.
fn accept(node: &Arc<Node>, kind: Kind, workers: &Arc<Vec<Worker>>) -> JoinHandle<()> {
    let (node, all) = (Arc::clone(node), Arc::clone(workers));
    workers[0].runtime.spawn(async move {
        let listener = match kind {
            Kind::Unix(fd) => tokio::net::UnixListener::from_std(fd.into()).map(Listener::Unix),
            Kind::Tcp(fd) => tokio::net::TcpListener::from_std(fd.into()).map(Listener::Tcp),
        };
        match listener {
            Ok(listener) => accept_all(node, listener, all).await,
            Err(error) => {
                tracing::error!(%error, "a socket cannot be watched");
                node.stop.notify_one();
            }
        }
    })
}

/// Opens the metrics page. A taken port must not keep the pod from starting.
async fn open_metrics(node: &Node) -> Option<tokio::net::TcpListener> {
    let address = node.config.metrics?;
    match metrics::http::open(address).await {
        Ok(listener) => {
            if let Ok(address) = listener.local_addr() {
                tracing::info!(%address, "metrics");
            }
            Some(listener)
        }
        Err(error) => {
            node.metrics_failures.add(1);
            if node.metrics_failures.get() == 1 {
                tracing::warn!(
                    %address, %error,
                    "no metrics page yet: the address is not to be had, and is tried again from time to time; give another \
                     one with --metrics, or port 0 for a free one"
                );
            }
            None
        }
    }
}

/// Tries again until the page can be opened.
async fn serve_metrics_later(node: Arc<Node>) {
    loop {
        sleep(METRICS_RETRY).await;
        if let Some(listener) = open_metrics(&node).await {
            return metrics::http::serve(node, listener).await;
        }
    }
}

/// Closes clients that were silent for longer than the idle timeout.
async fn close_idle(node: Arc<Node>) {
    loop {
        let is_off = node.settings.idle_timeout_s.load(Relaxed) == 0;
        sleep(if is_off { IDLE_CHECK_OFF } else { IDLE_CHECK }).await;
        let timeout_ms = node.settings.idle_timeout_s.load(Relaxed) * 1000;
        if timeout_ms == 0 {
            continue;
        }
        let present = now().0;
        for client in node.clients.all() {
            if present.saturating_sub(client.active_ms.load(Relaxed)) > timeout_ms {
                node.control.clients_closed_idle.add_shared(1);
                client.kill();
            }
        }
    }
}

/// Rereads the configuration and takes over what may change.
fn reload(node: &Node, level: &Level) {
    let args: Vec<OsString> = std::env::args_os().collect();
    match node.config.reload(args, std::env::vars_os()) {
        Ok((config, need_restart)) => {
            let current = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
            let (max_clients, _) = config.effective_clients(current.unwrap_or(u64::MAX));
            node.settings.adopt(&config, max_clients);
            node.set_memory(config.memory as usize);
            node.cache.set_policy(engine_policy(config.maxmemory_policy));
            level.set(config.log_level);
            tracing::info!("configuration reread");
            if !need_restart.is_empty() {
                tracing::warn!(
                    settings = need_restart.join(", "),
                    "these settings changed, but need a restart"
                );
            }
        }
        Err(error) => tracing::warn!(%error, "configuration not reread: all settings stay as they are"),
    }
}

/// Writes memory to disk in what is left of the time to stop in.
async fn seal(node: &Node, begun: Instant) {
    if !node.cache.has_disk() {
        return;
    }
    let timeout = Duration::from_millis(node.settings.drain_timeout_ms.load(Relaxed));
    let sealed = node.cache.seal(node.config.seal, timeout.saturating_sub(begun.elapsed())).await;
    let took_ms = begun.elapsed().as_millis() as u64;
    if node.config.seal && sealed.left > 0 {
        tracing::warn!(
            entries = sealed.entries,
            left = sealed.left,
            took_ms,
            "the disk is full of entries that --maxmemory-policy keeps: those that are left in memory are missed after the next start; \
             give more room with --disk-size"
        );
    } else if node.config.seal && !sealed.is_complete {
        tracing::warn!(
            entries = sealed.entries,
            took_ms,
            "not all of memory was written to disk: the rest is missed after the next start; give more time with \
             --drain-timeout"
        );
    } else {
        tracing::info!(entries = sealed.entries, took_ms, "sealed");
    }
}

/// Stops accepting, lets every client have the answers to what it has sent, and waits for the last one.
async fn drain(node: &Node, acceptors: Vec<JoinHandle<()>>, socket: SocketFile) {
    let timeout = Duration::from_millis(node.settings.drain_timeout_ms.load(Relaxed));
    tracing::info!(clients = node.clients.count(), timeout_ms = timeout.as_millis() as u64, "draining");
    drop(socket);
    for acceptor in acceptors {
        acceptor.abort();
        // It was aborted: that is what it ends with.
        let _ = acceptor.await;
    }
    // Clients that do not read shall not cost what is in memory.
    let for_clients = if node.cache.has_disk() && node.config.seal { timeout / 2 } else { timeout };
    let deadline = Instant::now() + for_clients;
    loop {
        // Whatever arrived before this is still read and answered; nothing more comes.
        node.clients.all().iter().for_each(|client| client.stream.shut_down(Shutdown::Read));
        if node.clients.count() == 0 {
            return;
        }
        if Instant::now() >= deadline {
            tracing::warn!(
                clients = node.clients.count(),
                "drain timeout: clients that do not read are closed"
            );
            return;
        }
        sleep(DRAIN_CHECK).await;
    }
}

/// Our socket's file, as it was when we made it.
struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), identity: identity(path) }
    }
}

impl Drop for SocketFile {
    /// Removes the file, unless another process has put its own there meanwhile.
    fn drop(&mut self) {
        if self.identity.is_some()
            && identity(&self.path) == self.identity
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(%error, socket = %self.path.display(), "the socket file could not be removed");
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
