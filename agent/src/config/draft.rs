//! Settings on their way to a [`Config`]: values arrive weakest source first, then what is computed is
//! computed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk::DiskSize;
use super::error::Problem;
use super::settings::{Default as SettingDefault, SETTINGS, Setting};
use super::words::{Family, LogFormat, LogLevel};
use super::{Config, memory, password};

/// A value someone gave.
pub(super) struct Given {
    pub(super) setting: &'static Setting,
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// Where a value came from; `Display` is the comment of `--print-config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Environment { variable: String },
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// Where a value stands, for errors: `--memory`, `LARDER_MEMORY`, `larder.yaml:12: memory`.
#[derive(Debug)]
pub struct Place {
    name: &'static str,
    origin: Origin,
}

impl Place {
    pub(super) fn new(setting: &Setting, origin: Origin) -> Self {
        Self { name: setting.name, origin }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => f.write_str(self.name),
            Origin::File { path, line } => {
                write!(f, "{}:{line}: {}", path.display(), self.name.replace('-', "_"))
            }
            Origin::Environment { variable } => f.write_str(variable),
            Origin::Flag => write!(f, "--{}", self.name),
        }
    }
}

/// Where each setting came from, by name.
pub(super) type Origins = BTreeMap<&'static str, Origin>;

/// The settings so far. What depends on others or on the machine is an `Option`: `None` is "compute it".
pub(super) struct Draft {
    pub(super) config: Config,
    pub(super) socket: Option<PathBuf>,
    pub(super) memory: Option<u64>,
    pub(super) max_value: Option<u64>,
    origins: Origins,
}

impl Default for Draft {
    /// Every setting at its declared default.
    fn default() -> Self {
        let mut draft = Self {
            // Placeholders: the loop below and `finish` set each of these (a test compares with the declared
            // defaults).
            config: Config {
                socket: PathBuf::new(),
                socket_mode: 0,
                tcp: None,
                tcp_any: false,
                memory: 0,
                memory_origin: String::new(),
                maxmemory_policy: Family::NoEviction,
                max_value: 0,
                max_clients: 0,
                databases: 0,
                workers: 0,
                metrics: None,
                password: None,
                password_file: None,
                allow_uids: Vec::new(),
                log: LogFormat::Json,
                log_level: LogLevel::Error,
                drain_timeout: Duration::ZERO,
                idle_timeout: Duration::ZERO,
                disk: None,
                disk_size: DiskSize::Auto,
                volume_limit: None,
                disk_write_rate: 0,
                disk_min_ttl_ms: 0,
                disk_timeout_ms: 0,
                seal: false,
                at_rest_key: None,
                debug_commands: false,
            },
            socket: None,
            memory: None,
            max_value: None,
            origins: Origins::new(),
        };
        for setting in SETTINGS {
            draft.origins.insert(setting.name, Origin::Default);
            if let SettingDefault::Text(text) = setting.default {
                let set = (setting.set)(&mut draft, text);
                debug_assert_eq!(set, Ok(()), "the default of {}", setting.name);
            }
        }
        draft
    }
}

impl Draft {
    /// Takes a value over what there is, or says what is wrong with it.
    pub(super) fn set(&mut self, given: Given, problems: &mut Vec<Problem>) {
        let Given { setting, text, origin } = given;
        let text = text.trim();
        let outcome = if text.is_empty() {
            Err("empty: give a value, or leave it out".to_owned())
        } else {
            (setting.set)(self, text)
        };
        match outcome {
            Ok(()) => {
                self.origins.insert(setting.name, origin);
            }
            Err(why) => {
                problems.push(Problem::Value {
                    place: Place::new(setting, origin),
                    value: quoted(text),
                    why,
                });
            }
        }
    }

    /// Computes what is computed, reads the password, and returns the settings with their origins.
    pub(super) fn finish(
        self,
        root: &Path,
        env: &[(OsString, OsString)],
        problems: &mut Vec<Problem>,
        warnings: &mut Vec<String>,
    ) -> (Config, Origins) {
        let Self { mut config, socket, memory, max_value, origins } = self;
        config.socket = socket.unwrap_or_else(|| default_socket(env));

        let in_kubernetes = env.iter().any(|(name, _)| name == "KUBERNETES_SERVICE_HOST");
        let found = match memory {
            Some(bytes) => memory::explicit(bytes, &origins["memory"], root),
            None => memory::automatic(root, in_kubernetes),
        };
        config.memory = found.bytes;
        config.memory_origin = found.origin;
        warnings.extend(found.warning);
        config.max_value = max_value.unwrap_or_else(|| (config.memory / 8).min(64 << 20));

        if let Some(path) = &config.password_file {
            match password::read(path) {
                Ok((secret, warning)) => {
                    config.password = Some(secret);
                    warnings.extend(warning);
                }
                Err(why) => {
                    let origin = origins["password-file"].clone();
                    problems.push(Problem::Password { path: path.clone(), origin, why });
                }
            }
        }
        (config, origins)
    }
}

fn default_socket(env: &[(OsString, OsString)]) -> PathBuf {
    env.iter()
        .find(|(name, _)| name == "XDG_RUNTIME_DIR")
        .map(|(_, value)| Path::new(value))
        // The XDG specification says to ignore a relative one.
        .filter(|dir| dir.is_absolute())
        .unwrap_or(Path::new("/run"))
        .join("larder/larder.sock")
}

/// A value for an error text: one line, and not the whole of a file that was pasted by mistake.
fn quoted(text: &str) -> String {
    const LONGEST_CHARS: usize = 60;
    if text.chars().count() > LONGEST_CHARS {
        let start: String = text.chars().take(LONGEST_CHARS).collect();
        format!("{start:?}...")
    } else {
        format!("{text:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_socket_follows_an_absolute_runtime_directory() {
        let env = |dir: &str| [(OsString::from("XDG_RUNTIME_DIR"), OsString::from(dir))];
        assert_eq!(default_socket(&env("/run/user/1000")), Path::new("/run/user/1000/larder/larder.sock"));
        assert_eq!(default_socket(&env("here")), Path::new("/run/larder/larder.sock"));
        assert_eq!(default_socket(&env("")), Path::new("/run/larder/larder.sock"));
        assert_eq!(default_socket(&[]), Path::new("/run/larder/larder.sock"));
    }

    #[test]
    fn long_values_are_shortened_and_control_characters_escaped() {
        assert_eq!(quoted("a\n\u{1b}[2J"), r#""a\n\u{1b}[2J""#);
        assert_eq!(quoted(&"x".repeat(61)), format!("\"{}\"...", "x".repeat(60)));
    }
}
