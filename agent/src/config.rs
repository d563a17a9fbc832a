//! The configuration room: flags, environment and one YAML file become one checked [`Config`].
//!
//! Order of precedence: flag, environment (`LARDER_*`), file (`--config`), default. Every setting is declared
//! once, in `settings`; its flag, its variable and its key in the file follow from its one name. Every
//! value given is checked, also where a stronger source overrides it, so that a mistake does not lie asleep
//! until the override goes.
//!
//! Nothing here prints (except clap's own help and version), exits or touches the process: `main` does.

mod at_rest;
mod clients;
mod command_line;
mod disk;
mod draft;
mod environment;
mod error;
mod file;
mod memory;
mod password;
mod print;
mod secret;
mod settings;
mod suggest;
mod units;
mod words;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use disk::{DiskRoom, DiskSize, Volume, disk_room};
pub use error::ConfigError;
pub use secret::Secret;
pub use words::{Family, LogFormat, LogLevel};

use draft::{Draft, Origins};
use error::Problem;
use settings::{DISK, SETTINGS, Setting};

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Serve with these settings.
    Serve(Box<Config>),
    /// `ping`: connect as these settings say, PING, exit 0 or 1.
    Ping(Box<Config>),
    /// `--print-config`: this text belongs on standard output; then exit 0.
    PrintConfig(String),
    /// `--check-config`, and all is well: exit 0.
    CheckedConfig,
    /// Help or version: clap has printed it; exit 0.
    Shown,
}

/// Reads a size as every setting does: plain bytes, or with a unit such as `mb` or `MiB`.
///
/// # Errors
/// What is wrong, in words.
pub fn parse_size(text: &str) -> Result<u64, String> {
    units::size(text, 0..=u64::MAX)
}

/// The outcome of [`load`].
#[derive(Debug)]
pub struct Loaded {
    /// What to do.
    pub invocation: Invocation,
    /// Sentences for the operator, in no order, without a newline: to be logged at level warn.
    pub warnings: Vec<String>,
}

/// The effective settings, checked one by one and against each other.
#[derive(Debug, Clone)]
pub struct Config {
    /// Path of the Unix socket; at most 107 bytes, what the kernel allows.
    pub socket: PathBuf,
    /// Permission bits of the socket file, at most `0o777`.
    pub socket_mode: u32,
    /// Where to listen on TCP; `None`: nowhere. Loopback, unless `tcp_any` and a password are set. Port 0:
    /// any free one.
    pub tcp: Option<SocketAddr>,
    /// Whether `tcp` may be another address than loopback.
    pub tcp_any: bool,
    /// What the cache may take, in bytes; at least 8 MiB. `auto` is resolved here.
    pub memory: u64,
    /// How `memory` was found, in words that follow "memory 409.6 MiB: ".
    pub memory_origin: String,
    /// Which keys may be dropped when memory is full.
    pub maxmemory_policy: Family,
    /// Longest value, in bytes; from 1 KiB to the smaller of 512 MiB and a quarter of `memory`.
    pub max_value: u64,
    /// Most clients at a time, from 1 to 1,000,000, as asked for: see [`Config::effective_clients`].
    pub max_clients: u32,
    /// Number of databases, from 1 to 1,024.
    pub databases: u16,
    /// Number of worker threads, from 1 to 256.
    pub workers: u16,
    /// The directory of the disk tier, to be created if absent; `None`: there is no disk tier.
    pub disk: Option<PathBuf>,
    /// What the disk tier is to take, if possible: see [`disk_room`].
    pub disk_size: DiskSize,
    /// What the volume of `disk` may hold, in bytes, at least 4 MiB; `None`: what its file system can.
    pub volume_limit: Option<u64>,
    /// Most bytes to write to disk in a second; 0: no limit.
    pub disk_write_rate: u64,
    /// Entries with less TTL left, in milliseconds, are not written to disk; at most 365 days.
    pub disk_min_ttl_ms: u64,
    /// How long one answer waits for the disk before it is a miss, in milliseconds; from 1 to 365 days.
    pub disk_timeout_ms: u64,
    /// Whether memory is written to disk at SIGTERM.
    pub seal: bool,
    /// The file with the keys for what is on disk; could be opened, if there is a `disk`. `None`: nothing is
    /// encrypted.
    pub at_rest_key: Option<PathBuf>,
    /// Where to serve `/metrics`; `None`: nowhere. Port 0: any free one.
    pub metrics: Option<SocketAddr>,
    /// The password clients must give; `None`: none is asked for.
    pub password: Option<Secret>,
    /// The file that `password` was read from.
    pub password_file: Option<PathBuf>,
    /// User ids whose connections to the Unix socket need no password; sorted, each once.
    pub allow_uids: Vec<u32>,
    /// Shape of the log lines.
    pub log: LogFormat,
    /// The least important log lines to write.
    pub log_level: LogLevel,
    /// How long a SIGTERM waits for replies that are under way; at most 365 days.
    pub drain_timeout: Duration,
    /// After how long without a command a connection is closed; zero: never. At most 365 days.
    pub idle_timeout: Duration,
    /// Whether SHUTDOWN and DEBUG are offered.
    pub debug_commands: bool,
}

/// Reads the settings. `args` begins with the program's name, as `std::env::args_os()` does.
///
/// Pure but for reading the file of `--config`, the password file, and the memory limits under `/proc` and
/// `/sys/fs/cgroup`, and for opening the file of the keys at rest.
///
/// # Errors
/// [`ConfigError::Usage`] for a command line that clap refuses (an unknown flag, a flag without its value),
/// else [`ConfigError::Settings`] with everything that is wrong, not just the first.
pub fn load(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, ConfigError> {
    load_under(Path::new("/"), args, env)
}

/// [`load`], with the kernel's files (`/proc`, `/sys`) looked for under `root`.
fn load_under(
    root: &Path,
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, ConfigError> {
    let env: Vec<_> = env.into_iter().collect();
    let Some(asked) = command_line::parse(args)? else {
        return Ok(Loaded { invocation: Invocation::Shown, warnings: Vec::new() });
    };
    let mut problems = Vec::new();
    let mut warnings = Vec::new();

    let from_env = environment::read(&env, &mut problems, &mut warnings);
    let file = asked.config.clone().map(|path| ("--config", path)).or_else(|| environment::config_file(&env));
    let from_file = file.map(|(by, path)| file::read(&path, by, &mut problems)).unwrap_or_default();

    // Weakest first: what is set later wins.
    let mut draft = Draft::default();
    for given in from_file.into_iter().chain(from_env).chain(asked.settings) {
        draft.set(given, &mut problems);
    }
    let (config, origins) = draft.finish(root, &env, &mut problems, &mut warnings);
    if asked.what != command_line::What::Ping {
        // These rules are about serving; `ping` only connects.
        config.check(&mut problems, &mut warnings);
        config.check_keys(&origins, &mut problems, &mut warnings);
    }
    if !problems.is_empty() {
        return Err(ConfigError::Settings(problems));
    }
    let invocation = match asked.what {
        command_line::What::Serve => Invocation::Serve(Box::new(config)),
        command_line::What::Ping => Invocation::Ping(Box::new(config)),
        command_line::What::PrintConfig => Invocation::PrintConfig(print::as_yaml(&config, &origins)),
        command_line::What::CheckConfig => Invocation::CheckedConfig,
    };
    Ok(Loaded { invocation, warnings })
}

impl Config {
    /// Reads everything again, for SIGHUP: returns the settings to go on with, and the names of those that
    /// changed but take effect at a restart only (those keep their present values in the result). `memory`
    /// given as `auto` is looked up again, so a cgroup limit that was changed while running is honoured too.
    ///
    /// # Errors
    /// As [`load`]; also when the settings that change now do not go with those that need a restart (a
    /// password that goes away under a TCP listener that must have one). Then nothing has changed.
    pub fn reload(
        &self,
        args: impl IntoIterator<Item = OsString>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(Self, Vec<String>), ConfigError> {
        self.reload_under(Path::new("/"), args, env)
    }

    fn reload_under(
        &self,
        root: &Path,
        args: impl IntoIterator<Item = OsString>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(Self, Vec<String>), ConfigError> {
        let loaded = load_under(root, args, env)?;
        let Invocation::Serve(mut config) = loaded.invocation else {
            // Only a process that serves reloads, and its command line does not change: nothing to do.
            return Ok((self.clone(), Vec::new()));
        };
        let mut need_restart = Vec::new();
        for setting in SETTINGS {
            if let Some(keep) = setting.fixed
                && (setting.show)(self) != (setting.show)(&config)
            {
                need_restart.push(setting.name.to_owned());
                keep(self, &mut config);
            }
        }
        let mut problems = Vec::new();
        config.check(&mut problems, &mut Vec::new());
        if problems.is_empty() { Ok((*config, need_restart)) } else { Err(ConfigError::Settings(problems)) }
    }

    /// How many clients fit a file-descriptor limit (`RLIMIT_NOFILE`, after it was raised), and a warning for
    /// the operator where that is less than `max_clients`. At least 1.
    #[must_use]
    pub fn effective_clients(&self, fd_limit: u64) -> (u32, Option<String>) {
        clients::effective(self.max_clients, self.workers, fd_limit)
    }

    /// What must hold between settings.
    fn check(&self, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) {
        if let Some(tcp) = self.tcp {
            if !tcp.ip().is_loopback() && !self.tcp_any {
                problems.push(Problem::Together(format!(
                    "tcp {tcp} is reachable from outside this host or pod: listen on 127.0.0.1 or [::1], or allow it \
                     with --tcp-any and a --password-file"
                )));
            } else if !tcp.ip().is_loopback() && self.password_file.is_none() {
                problems.push(Problem::Together(format!(
                    "tcp {tcp} is reachable from outside this host or pod, and no password is set: anyone who \
                     reaches it could read and change everything; add a --password-file"
                )));
            }
        } else if self.tcp_any {
            warnings.push("tcp-any has no effect without tcp: give --tcp ADDR, or drop --tcp-any".to_owned());
        }
        let quarter = self.memory / 4;
        if self.max_value > quarter {
            problems.push(Problem::Together(format!(
                "max-value {} is more than a quarter of memory {}: the buffers of all connections together may take a \
                 quarter, so such a value could never arrive; lower --max-value to {} or less, or raise --memory",
                units::approx_size(self.max_value),
                units::approx_size(self.memory),
                units::exact_size(quarter),
            )));
        }
        if !self.allow_uids.is_empty() && self.password_file.is_none() {
            warnings.push(
                "allow-uid has no effect without a password: give --password-file FILE, or drop --allow-uid"
                    .to_owned(),
            );
        }
        self.check_disk(problems, warnings);
    }

    /// What must hold between the settings of the disk tier.
    fn check_disk(&self, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) {
        if let (DiskSize::Bytes(bytes), Some(limit)) = (self.disk_size, self.volume_limit)
            && bytes > limit
        {
            problems.push(Problem::Together(format!(
                "disk-size {} is more than volume-limit {}: a pod is evicted when its volume holds more; set --disk-size to \
                 auto, lower it, or raise --volume-limit",
                units::approx_size(bytes),
                units::approx_size(limit),
            )));
        }
        if self.disk.is_none() {
            let changed = |setting: &&Setting| (setting.show)(self) != setting.default_words();
            let of_disk = SETTINGS.iter().filter(|setting| setting.group == DISK);
            warnings.extend(of_disk.filter(changed).map(|setting| {
                format!("{0} has no effect without disk: give --disk DIR, or drop --{0}", setting.name)
            }));
        }
    }

    /// Whether the keys at rest can be read. Not part of [`Config::check`]: a running process has read those
    /// that hold until its end, and their file may be gone when it reloads.
    fn check_keys(&self, origins: &Origins, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) {
        // Without a disk tier nobody reads them.
        let Some(path) = self.at_rest_key.as_ref().filter(|_| self.disk.is_some()) else { return };
        match at_rest::look(path) {
            Ok(warning) => warnings.extend(warning),
            Err(why) => {
                let origin = origins["at-rest-key"].clone();
                problems.push(Problem::AtRestKey { path: path.clone(), origin, why });
            }
        }
    }
}
