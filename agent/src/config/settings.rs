//! The one table of settings. A name here is `--the-name`, `LARDER_THE_NAME` and `the_name` in the file; its
//! default is what `--help` shows and what runs; its `show` is what `--print-config` prints and what a reload
//! compares.

use std::path::PathBuf;
use std::time::Duration;

use super::Config;
use super::disk::{self, DiskSize};
use super::draft::Draft;
use super::units::{
    address, duration, exact_duration, exact_size, list, number, octal, path, size, switch, unless_off,
};
use super::words::{Family, LogFormat, LogLevel};

/// One setting, by all its names.
pub(super) struct Setting {
    /// The flag without its dashes; the variable and the key follow from it.
    pub(super) name: &'static str,
    /// What stands for the value in `--help`; empty for a switch.
    pub(super) value: &'static str,
    /// Which YAML values fit.
    pub(super) kind: Kind,
    /// What holds when nobody sets it.
    pub(super) default: Default,
    /// The heading it stands under in `--help`.
    pub(super) group: &'static str,
    /// Whether `ping` uses it.
    pub(super) for_ping: bool,
    /// One or two lines for `--help`, units included.
    pub(super) help: &'static str,
    /// Reads a value; the error says what is wrong with it and what to write.
    pub(super) set: fn(&mut Draft, &str) -> Result<(), String>,
    /// The effective value, in a form that `set` reads.
    pub(super) show: fn(&Config) -> String,
    /// For a setting that takes effect at a restart only: carries the present value over into the reloaded
    /// settings.
    pub(super) fixed: Option<fn(&Config, &mut Config)>,
}

/// Which YAML values fit a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text only.
    Text,
    /// A whole number only.
    Number,
    /// Text, or a whole number (a size in bytes, an octal mode, a duration of 0).
    TextOrNumber,
    /// `true` or `false`; the flag alone is `true`.
    Switch,
    /// `on` or `off`, or a switch's words for them.
    OnOff,
    /// A sequence of whole numbers, one number, or text with commas.
    List,
}

/// What holds when nobody sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Default {
    /// This, read as any other value.
    Text(&'static str),
    /// Computed in `draft`; these words describe it.
    Computed(&'static str),
}

impl Setting {
    /// The variable: `LARDER_SOCKET_MODE`.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key().to_ascii_uppercase())
    }

    /// The key in the file: `socket_mode`.
    pub(super) fn key(&self) -> String {
        self.name.replace('-', "_")
    }

    /// The default as `--help` shows it.
    pub(super) fn default_words(&self) -> &'static str {
        match self.default {
            Default::Text(words) | Default::Computed(words) => words,
        }
    }
}

/// What every variable of Larder begins with.
pub(super) const PREFIX: &str = "LARDER_";

const LISTENING: &str = "Listening";
const ACCESS: &str = "Access";
const MEMORY: &str = "Memory and limits";
pub(super) const DISK: &str = "Disk";
const WATCHING: &str = "Logs and metrics";
const RUNNING: &str = "Running";

/// Every setting, in the order of `--help` and `--print-config`.
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        name: "socket",
        value: "PATH",
        kind: Kind::Text,
        default: Default::Computed("$XDG_RUNTIME_DIR/larder/larder.sock, else /run/larder/larder.sock"),
        group: LISTENING,
        for_ping: true,
        help: "Unix socket to serve on; the socket of a dead process is replaced",
        set: |draft, text| path(text).and_then(socket_path).map(|path| draft.socket = Some(path)),
        show: |config| config.socket.display().to_string(),
        fixed: Some(|from, to| to.socket.clone_from(&from.socket)),
    },
    Setting {
        name: "socket-mode",
        value: "MODE",
        kind: Kind::TextOrNumber,
        default: Default::Text("0660"),
        group: LISTENING,
        for_ping: false,
        help: "Permission bits of the socket, octal",
        set: |draft, text| octal(text, 0o777).map(|mode| draft.config.socket_mode = mode),
        show: |config| format!("{:04o}", config.socket_mode),
        fixed: Some(|from, to| to.socket_mode = from.socket_mode),
    },
    Setting {
        name: "tcp",
        value: "ADDR",
        kind: Kind::Text,
        default: Default::Text("off"),
        group: LISTENING,
        for_ping: true,
        help: "Serve on TCP too, as in 127.0.0.1:6379 (loopback only, unless --tcp-any);\n\
               port 0 takes a free one",
        set: |draft, text| address(text).map(|tcp| draft.config.tcp = tcp),
        show: |config| config.tcp.map_or_else(off, |tcp| tcp.to_string()),
        fixed: Some(|from, to| to.tcp = from.tcp),
    },
    Setting {
        name: "tcp-any",
        value: "",
        kind: Kind::Switch,
        default: Default::Text("false"),
        group: LISTENING,
        for_ping: true,
        help: "Let --tcp be an address others can reach; needs --password-file",
        set: |draft, text| switch(text).map(|on| draft.config.tcp_any = on),
        show: |config| config.tcp_any.to_string(),
        fixed: Some(|from, to| to.tcp_any = from.tcp_any),
    },
    Setting {
        name: "password-file",
        value: "FILE",
        kind: Kind::Text,
        default: Default::Text("off"),
        group: ACCESS,
        for_ping: true,
        help: "File with the password that clients must give, on the Unix socket too;\n\
               a newline at its end does not count",
        set: |draft, text| unless_off(text, path).map(|file| draft.config.password_file = file),
        show: |config| path_or_off(config.password_file.as_ref()),
        fixed: None,
    },
    Setting {
        name: "allow-uid",
        value: "LIST",
        kind: Kind::List,
        default: Default::Text("off"),
        group: ACCESS,
        for_ping: false,
        help: "User ids, separated by commas, that need no password on the Unix socket",
        set: |draft, text| list(text).map(|uids| draft.config.allow_uids = uids),
        show: |config| match config.allow_uids.as_slice() {
            [] => off(),
            uids => uids.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        },
        fixed: None,
    },
    Setting {
        name: "memory",
        value: "SIZE|auto",
        kind: Kind::TextOrNumber,
        default: Default::Text("auto"),
        group: MEMORY,
        for_ping: false,
        help: "What the cache may take, as in 64MiB, 1GiB or bytes; at least 8MiB. auto: the\n\
               container's memory limit, else all memory, less 20% or 32MiB, whichever is more",
        set: |draft, text| {
            draft.memory =
                if text.eq_ignore_ascii_case("auto") { None } else { Some(size(text, MEMORY_BYTES)?) };
            Ok(())
        },
        show: |config| exact_size(config.memory),
        fixed: None,
    },
    Setting {
        name: "maxmemory-policy",
        value: "POLICY",
        kind: Kind::Text,
        default: Default::Text("allkeys"),
        group: MEMORY,
        for_ping: false,
        help: "What may be dropped when memory is full: allkeys, volatile (only keys with a TTL)\n\
               or noeviction; Redis's names, such as volatile-ttl, are understood",
        set: |draft, text| Family::parse(text).map(|family| draft.config.maxmemory_policy = family),
        show: |config| config.maxmemory_policy.as_str().to_owned(),
        fixed: None,
    },
    Setting {
        name: "max-value",
        value: "SIZE",
        kind: Kind::TextOrNumber,
        default: Default::Computed("64MiB or an eighth of memory, whichever is less"),
        group: MEMORY,
        for_ping: false,
        help: "Longest value, from 1KiB to 512MiB, at most a quarter of memory",
        set: |draft, text| size(text, 1024..=512 << 20).map(|bytes| draft.max_value = Some(bytes)),
        show: |config| exact_size(config.max_value),
        fixed: None,
    },
    Setting {
        name: "max-clients",
        value: "N",
        kind: Kind::Number,
        default: Default::Text("10000"),
        group: MEMORY,
        for_ping: false,
        help: "Most clients at a time; fewer if the limit of open files asks for it",
        set: |draft, text| number(text, 1..=1_000_000).map(|n| draft.config.max_clients = n),
        show: |config| config.max_clients.to_string(),
        fixed: None,
    },
    Setting {
        name: "databases",
        value: "N",
        kind: Kind::Number,
        default: Default::Text("16"),
        group: MEMORY,
        for_ping: false,
        help: "Number of databases for SELECT, at most 1024",
        set: |draft, text| number(text, 1..=1024).map(|n| draft.config.databases = n),
        show: |config| config.databases.to_string(),
        fixed: Some(|from, to| to.databases = from.databases),
    },
    Setting {
        name: "idle-timeout",
        value: "TIME",
        kind: Kind::TextOrNumber,
        default: Default::Text("0"),
        group: MEMORY,
        for_ping: false,
        help: "Close a connection after this long without a command, as in 500ms, 20s, 2m;\n\
               0: never",
        set: |draft, text| duration(text).map(|time| draft.config.idle_timeout = time),
        show: |config| exact_duration(config.idle_timeout),
        fixed: None,
    },
    Setting {
        name: "disk",
        value: "DIR",
        kind: Kind::Text,
        default: Default::Text("off"),
        group: DISK,
        for_ping: false,
        help: "Directory for what memory does not hold, created if absent; one agent each. Remove it before it\n\
               is given again to an agent that ran without: it would not know what was changed meanwhile",
        set: |draft, text| unless_off(text, path).map(|disk| draft.config.disk = disk),
        show: |config| path_or_off(config.disk.as_ref()),
        fixed: Some(|from, to| to.disk.clone_from(&from.disk)),
    },
    Setting {
        name: "disk-size",
        value: "SIZE|auto",
        kind: Kind::TextOrNumber,
        default: Default::Text("auto"),
        group: DISK,
        for_ping: false,
        help: "What the disk tier may take, from 4MiB to 1000GiB. auto: 80% of --volume-limit, else 5%\n\
               of the volume, at most 1GiB; less where 20% of the volume would not stay free",
        set: |draft, text| DiskSize::parse(text).map(|size| draft.config.disk_size = size),
        show: |config| config.disk_size.to_string(),
        fixed: Some(|from, to| to.disk_size = from.disk_size),
    },
    Setting {
        name: "volume-limit",
        value: "SIZE",
        kind: Kind::TextOrNumber,
        default: Default::Text("off"),
        group: DISK,
        for_ping: false,
        help: "What the volume of --disk may hold at most: an emptyDir's sizeLimit",
        set: |draft, text| {
            unless_off(text, |text| size(text, *disk::BYTES.start()..=1 << 60))
                .map(|limit| draft.config.volume_limit = limit)
        },
        show: |config| config.volume_limit.map_or_else(off, exact_size),
        fixed: Some(|from, to| to.volume_limit = from.volume_limit),
    },
    Setting {
        name: "disk-write-rate",
        value: "BYTES/S",
        kind: Kind::TextOrNumber,
        default: Default::Text("0"),
        group: DISK,
        for_ping: false,
        help: "Most bytes to write to disk in a second, as in 20MiB; 0: no limit",
        set: |draft, text| size(text, 0..=1 << 50).map(|bytes| draft.config.disk_write_rate = bytes),
        show: |config| exact_size(config.disk_write_rate),
        fixed: Some(|from, to| to.disk_write_rate = from.disk_write_rate),
    },
    Setting {
        name: "disk-min-ttl",
        value: "TIME",
        kind: Kind::TextOrNumber,
        default: Default::Text("1s"),
        group: DISK,
        for_ping: false,
        help: "Entries with less TTL left than this are not written to disk",
        set: |draft, text| milliseconds(text, 0).map(|ms| draft.config.disk_min_ttl_ms = ms),
        show: |config| exact_duration(Duration::from_millis(config.disk_min_ttl_ms)),
        fixed: Some(|from, to| to.disk_min_ttl_ms = from.disk_min_ttl_ms),
    },
    Setting {
        name: "disk-timeout",
        value: "TIME",
        kind: Kind::TextOrNumber,
        default: Default::Text("100ms"),
        group: DISK,
        for_ping: false,
        help: "How long one answer waits for the disk before it is a miss, at least 1ms",
        set: |draft, text| milliseconds(text, 1).map(|ms| draft.config.disk_timeout_ms = ms),
        show: |config| exact_duration(Duration::from_millis(config.disk_timeout_ms)),
        fixed: Some(|from, to| to.disk_timeout_ms = from.disk_timeout_ms),
    },
    Setting {
        name: "seal",
        value: "on|off",
        kind: Kind::OnOff,
        default: Default::Text("on"),
        group: DISK,
        for_ping: false,
        help: "At SIGTERM, write what is in memory to disk for the next start",
        set: |draft, text| {
            switch(text)
                .map(|on| draft.config.seal = on)
                .map_err(|_| "neither on nor off: write one of them".to_owned())
        },
        show: |config| if config.seal { "on".to_owned() } else { off() },
        fixed: Some(|from, to| to.seal = from.seal),
    },
    Setting {
        name: "at-rest-key",
        value: "FILE",
        kind: Kind::Text,
        default: Default::Text("off"),
        group: DISK,
        for_ping: false,
        help: "File with the keys that encrypt what is on disk, lines of NUMBER:KEY (32 bytes in\n\
               base64 or hexadecimal); the first key seals, all open",
        set: |draft, text| unless_off(text, path).map(|file| draft.config.at_rest_key = file),
        show: |config| path_or_off(config.at_rest_key.as_ref()),
        fixed: Some(|from, to| to.at_rest_key.clone_from(&from.at_rest_key)),
    },
    Setting {
        name: "metrics",
        value: "ADDR",
        kind: Kind::Text,
        default: Default::Text("127.0.0.1:9418"),
        group: WATCHING,
        for_ping: false,
        help: "Where to serve /metrics and /livez; off: nowhere; port 0 takes a free one",
        set: |draft, text| address(text).map(|metrics| draft.config.metrics = metrics),
        show: |config| config.metrics.map_or_else(off, |metrics| metrics.to_string()),
        fixed: Some(|from, to| to.metrics = from.metrics),
    },
    Setting {
        name: "log",
        value: "FORMAT",
        kind: Kind::Text,
        default: Default::Text("text"),
        group: WATCHING,
        for_ping: false,
        help: "Shape of the log on standard error: text or json",
        set: |draft, text| LogFormat::parse(text).map(|format| draft.config.log = format),
        show: |config| config.log.as_str().to_owned(),
        fixed: Some(|from, to| to.log = from.log),
    },
    Setting {
        name: "log-level",
        value: "LEVEL",
        kind: Kind::Text,
        default: Default::Text("info"),
        group: WATCHING,
        for_ping: false,
        help: "The least important lines to log: error, warn, info, debug or trace",
        set: |draft, text| LogLevel::parse(text).map(|level| draft.config.log_level = level),
        show: |config| config.log_level.as_str().to_owned(),
        fixed: None,
    },
    Setting {
        name: "workers",
        value: "N",
        kind: Kind::Number,
        default: Default::Text("1"),
        group: RUNNING,
        for_ping: false,
        help: "Threads that serve, at most 256; one is enough for most pods",
        set: |draft, text| number(text, 1..=256).map(|n| draft.config.workers = n),
        show: |config| config.workers.to_string(),
        fixed: Some(|from, to| to.workers = from.workers),
    },
    Setting {
        name: "drain-timeout",
        value: "TIME",
        kind: Kind::TextOrNumber,
        default: Default::Text("20s"),
        group: RUNNING,
        for_ping: false,
        help: "How long SIGTERM waits for replies that are under way, as in 500ms, 20s, 2m",
        set: |draft, text| duration(text).map(|time| draft.config.drain_timeout = time),
        show: |config| exact_duration(config.drain_timeout),
        fixed: None,
    },
    Setting {
        name: "debug-commands",
        value: "",
        kind: Kind::Switch,
        default: Default::Text("false"),
        group: RUNNING,
        for_ping: false,
        help: "Offer SHUTDOWN and DEBUG to clients; for tests",
        set: |draft, text| switch(text).map(|on| draft.config.debug_commands = on),
        show: |config| config.debug_commands.to_string(),
        fixed: Some(|from, to| to.debug_commands = from.debug_commands),
    },
];

/// What an explicit `memory` may be, in bytes: below 8 MiB the engine's fixed parts leave no room for
/// entries.
pub(super) const MEMORY_BYTES: std::ops::RangeInclusive<u64> = 8 << 20..=1 << 50;

fn off() -> String {
    "off".to_owned()
}

fn path_or_off(path: Option<&PathBuf>) -> String {
    path.map_or_else(off, |path| path.display().to_string())
}

/// A duration in milliseconds, at least `least`.
fn milliseconds(text: &str, least: u64) -> Result<u64, String> {
    let ms = u64::try_from(duration(text)?.as_millis()).unwrap_or(u64::MAX);
    if ms < least { Err(format!("too short: at least {least}ms")) } else { Ok(ms) }
}

fn socket_path(path: PathBuf) -> Result<PathBuf, String> {
    // sockaddr_un holds 108 bytes with the terminating zero.
    const LONGEST_BYTES: usize = 107;
    let bytes = path.as_os_str().len();
    if bytes > LONGEST_BYTES {
        return Err(format!(
            "{bytes} bytes long, and the kernel allows {LONGEST_BYTES} for a socket: choose a shorter path"
        ));
    }
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err("a directory: add the name of the socket, as in /run/larder/larder.sock".to_owned());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_make_the_three_spellings() {
        let names: BTreeSet<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        assert_eq!(names.len(), SETTINGS.len());
        let mode = SETTINGS.iter().find(|setting| setting.name == "socket-mode").unwrap();
        assert_eq!((mode.variable().as_str(), mode.key().as_str()), ("LARDER_SOCKET_MODE", "socket_mode"));
    }

    #[test]
    fn every_default_text_is_a_value_of_its_setting() {
        for setting in SETTINGS {
            if let Default::Text(text) = setting.default {
                assert_eq!((setting.set)(&mut Draft::default(), text), Ok(()), "{}", setting.name);
            }
        }
    }

    #[test]
    fn every_default_of_the_disk_is_what_is_shown() {
        // By this the warnings know which were changed.
        let config = Draft::default().config;
        for setting in SETTINGS.iter().filter(|setting| setting.group == DISK) {
            assert_eq!((setting.show)(&config), setting.default_words(), "{}", setting.name);
        }
    }

    #[test]
    fn a_socket_path_must_fit_the_kernel() {
        let mut draft = Draft::default();
        let longest = format!("/{}", "s".repeat(106));
        assert_eq!((SETTINGS[0].set)(&mut draft, &longest), Ok(()));
        let error = (SETTINGS[0].set)(&mut draft, &format!("{longest}s")).unwrap_err();
        assert_eq!(error, "108 bytes long, and the kernel allows 107 for a socket: choose a shorter path");
        let error = (SETTINGS[0].set)(&mut draft, "/run/larder/").unwrap_err();
        assert_eq!(error, "a directory: add the name of the socket, as in /run/larder/larder.sock");
    }
}
