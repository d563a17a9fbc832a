//! Storage: the cache of this agent, over a directory if there is one.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use larder_cache::{Cache, DiskError, DiskOptions, Warmth};

use crate::config::{Config, disk_room};

/// Locks for each of several workers.
const SHARDS_A_WORKER: usize = 16;

/// The cache, and how its disk tier was found.
#[derive(Debug)]
pub struct Storage {
    /// The cache.
    pub cache: Cache,
    /// Its disk tier.
    pub disk: DiskState,
}

/// How the disk tier was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskState {
    /// Nobody asked for one.
    Off,
    /// It is there.
    On(Warmth),
    /// It should be there and is not: the agent serves from memory.
    Degraded,
}

fn engine_config(config: &Config) -> larder_cache::Config {
    let workers = usize::from(config.workers.max(1));
    larder_cache::Config {
        memory: config.memory as usize,
        databases: config.databases,
        // Alone, one lock costs least and evicts best; several workers need enough locks not to meet.
        shards: if workers == 1 { 1 } else { workers * SHARDS_A_WORKER },
        policy: super::settings::engine_policy(config.maxmemory_policy),
    }
}

impl DiskState {
    /// Every word that [`label`](Self::label) may say.
    pub const LABELS: [&'static str; 4] = ["off", "on", "down", "degraded"];

    /// A word for metrics: how it was found, and whether nothing can be written now.
    #[must_use]
    pub fn label(self, is_down: bool) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On(_) if is_down => "down",
            Self::On(_) => "on",
            Self::Degraded => "degraded",
        }
    }

    /// What was found on disk, if it is there.
    #[must_use]
    pub fn warmth(self) -> Option<Warmth> {
        if let Self::On(warmth) = self { Some(warmth) } else { None }
    }
}

/// What a start that found everything is called, where a cold one has its reason.
pub const WARM: &str = "warm";

impl Storage {
    /// A cache in memory only.
    #[must_use]
    pub fn in_memory(config: &Config) -> Self {
        Self { cache: Cache::new(engine_config(config)), disk: DiskState::Off }
    }

    /// The cache that the configuration asks for. Where the disk has no room, or fails, it is one in memory.
    ///
    /// # Errors
    /// If another process uses the directory, a key cannot be read, or what is there might be believed later.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let Some(directory) = &config.disk else { return Ok(Self::in_memory(config)) };
        let degraded = |reason: &str| {
            tracing::error!(
                disk = %directory.display(),
                reason,
                "no disk tier: serving from memory only; give the directory room, or take --disk away"
            );
            Self { disk: DiskState::Degraded, ..Self::in_memory(config) }
        };
        let room = match disk_room(directory, config.disk_size, config.volume_limit) {
            Ok(room) => room,
            Err(reason) => {
                Cache::without_disk(directory)?;
                return Ok(degraded(&reason));
            }
        };
        let keys = config.at_rest_key.as_ref().map(|path| {
            std::fs::read_to_string(path)
                .with_context(|| format!("at-rest-key: {} cannot be read", path.display()))
        });
        let options = DiskOptions {
            directory: directory.clone(),
            bytes: room.bytes,
            write_rate: config.disk_write_rate,
            min_ttl_ms: config.disk_min_ttl_ms,
            timeout: Duration::from_millis(config.disk_timeout_ms),
            keys: keys.transpose()?,
        };
        let begun = std::time::Instant::now();
        match Cache::with_disk(engine_config(config), options).await {
            Ok((cache, warmth)) => {
                let took_ms = begun.elapsed().as_millis() as u64;
                let Warmth { entries, segments, controls, segments_lost, was_clean, cold } = warmth;
                let (bytes, origin) = (room.bytes, room.origin);
                match cold {
                    Some(reason) => {
                        tracing::info!(disk = %directory.display(), bytes, origin, reason = reason.label(), "cold start");
                    }
                    None => tracing::info!(
                        disk = %directory.display(),
                        bytes, origin, entries, segments, controls, segments_lost, was_clean, took_ms,
                        "warm start"
                    ),
                }
                Ok(Self { cache, disk: DiskState::On(warmth) })
            }
            Err(error) if error.is_harmless() => Ok(degraded(&error.to_string())),
            Err(error @ DiskError::InUse(_)) => Err(error.into()),
            Err(DiskError::Keys(why)) => {
                let path = config.at_rest_key.as_deref().unwrap_or(Path::new(""));
                anyhow::bail!("at-rest-key file {path:?} cannot be used: {why}")
            }
            Err(error) => Err(error).context("the disk tier cannot be opened"),
        }
    }
}
